-- Runs as sums by hour, so that what is asked of runs (did they succeed, what did they cost) reads some rows a run and not
-- all its calls (sql/queries/outcome_runs.sql). Part of the insert's block, like the other roll-ups; `spendstream rebuild`
-- compares it with the rows. A query is answered from it when it uses these very expressions and filters on `hour`; retry_of > ''
-- says what != '' says, which the engine would rewrite in the query alone.

ALTER TABLE intake ADD PROJECTION IF NOT EXISTS by_run
(
    SELECT
        hour, outcome, run_id,
        min(time), max(time),
        -- where the run began: of the calls of the first millisecond the one with the lowest name
        argMinIf(
            (if(escalated_from != '', escalated_from, tier), provider_name, request_model, agent_id, team_id),
            (time, source, id), outcome = 'call'
        ),
        max(indexOf(['routine', 'standard', 'complex'], task_class)), uniqExact(tier), uniqExact(request_model),
        count(), countIf(escalated_from != '' OR decision = 'escalate'), countIf(attempt > 1 OR retry_of > ''),
        sum(input_tokens), sum(cache_read_input_tokens), sum(output_tokens), sum(cost_usd), count(cost_usd)
    GROUP BY hour, outcome, run_id
);

-- In the background, for the calls that are there: until it is done, older parts are read row by row.
ALTER TABLE intake MATERIALIZE PROJECTION by_run SETTINGS mutations_sync = 0;
