"""Every number of the detector, with the reason for it. Tuned on simulator seeds 1-8 and the recorded sets, then
frozen and judged on fresh seeds (docs/detection.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.detect.signal import PICO

MINUTE_MS = 60_000
HOUR_MS = 3_600_000

# Not fields of `DetectConfig`: kept states hold one, field by field.
SPEND_STIR = 0.7
"""Share of the own record of ten minutes from which spend is looked at: an hour of steady work beyond all records may
have no ten minutes that are.
"""
SPEND_Z = 1.5
"""Standard deviations above the own mean of hourly maxima (in bits): where hours differ by a factor of ten anyway, one
of twice the record is no news.
"""


@dataclass(frozen=True, slots=True)
class DetectConfig:
    """Limits are inclusive. Times in milliseconds, money in pico-USD."""

    disorder_ms: int = 500
    """Calls are put in (time, id) order within this bound; later ones are stepped when they come, with the clock held
    still.
    """

    # calibration
    z_limit: float = 4.0
    """Standard deviations of the hourly maxima (in bits) above the mean: the level at which learning freezes."""
    sd_floor: float = 0.5
    """Bits. Below half a doubling no hour is abnormal, however steady the agent."""
    fade: float = 0.1
    """Weight of the newest active hour in mean and variance: memory of about ten active hours."""
    record_decay: float = 0.995
    """An own record loses half in 138 active hours."""
    ready_blocks: int = 6
    """Active hours before an agent's own history counts as history."""
    thaw_blocks: int = 72
    """A level that stays beyond the limit for 72 active hours without anybody's incident is the new normal."""

    # loop: repeats beyond one full pass of a cycle, no new request between. Normal runs of all visible sets reach at
    # most 3, but for one of 8,028 Mooncake conversations.
    loop_repeats: float = 4.0
    loop_novel_penalty: float = 1.0
    """What a new request takes off: a loop with one odd call in four still climbs."""
    loop_reach: int = 32
    """Calls back within which a request counts as seen: cycles of up to a dozen calls close twice in it."""
    loop_own_factor: float = 2.0
    """Times the own record of repeats: below, an agent that repeats itself by habit pages again and again."""
    poll_gap_ms: int = 8_000
    """Faster than this, nobody polls with a model."""
    poll_jitter: float = 0.06
    poll_beats: int = 3
    """A timer's beat varies less than this, so many times in a row; a model's latency alone varies more."""
    count_min: float = 12.0
    """Same request, decayed over ten minutes, for agents whose runs are not told apart."""
    shape_streak: int = 24
    """Calls of the same output size within 5 % and input within 10 %; normal runs reach 14, the polling-like
    trace_0307 83.
    """

    # retry storm: CUSUM in bits, p1 against the worse of own and others' failure rate
    storm_p1: float = 0.9
    storm_floor: float = 0.05
    """Every provider fails one call in twenty now and then."""
    storm_bits: float = 26.0
    """Seven failures of an agent that never fails, fourteen of one that fails one call in four."""
    storm_chain: int = 7
    """Failures in a row of one request: clients give up after 3 to 6."""
    storm_row: int = 12
    """Failures in a row where calls have no fingerprint; three times that where they have."""
    outage_roots: int = 2
    outage_rate: float = 0.4
    """So many other agents on the provider, failing at such a rate within ten minutes, are the provider's outage."""

    # fan-out
    fan_known: int = 10
    """Children in an hour for an agent that is known; a recorded session has at most 12, but 4 in a minute."""
    fan_cold: int = 40
    fan_burst_ms: int = 90_000
    """A planned fan-out is one burst; without history only spawning that goes on is abnormal (or twice as many)."""
    fan_deep: int = 3
    fan_deep_kids: int = 8
    """Children of children of children: no recorded session has them."""
    fan_factor: float = 2.0

    # context growth
    context_min: int = 40_000
    """Below, growth costs cents: 32,000 gave half as many false pages again."""
    context_blocks: int = 12
    """Active hours of history: records of fewer are passed by ordinary long runs."""
    context_steps: int = 8
    context_factor: float = 3.0
    burn_factor: float = 8.0
    """Times the own records of size and of tokens sent since the last trim; one may be short by half if the other is
    not.
    """
    steep_factor: float = 2.0
    steep_size: float = 2.0
    steep_burn: float = 3.0
    """The same where the context also grows twice as fast a call as it ever did; 1.7 and 1.8 took deploys for
    runaways.
    """
    full_min: int = 64_000
    full_calls: int = 40
    """Calls in a row within 4 % of one large size; 99.5 % of the recorded Claude Code conversations stay below 28,
    the longest has 38.
    """

    # spend
    spend_blocks: int = 3
    spend_age_ms: int = 40 * HOUR_MS
    """A nightly batch has one active hour a day: two nights at least."""
    spend_factor: float = 2.0
    """Times the own record of the decayed hour."""
    spend_both_factor: float = 1.2
    spend_long_factor: float = 1.6
    """Or times the records of the hour and of six hours, both."""
    spend_doubt: float = 3.0
    """Active hours that count as not yet seen: after three the limits are double."""
    spend_one_run: float = 0.4
    """Share of the hour above which one dear run, not a spike, is what one sees."""
    spend_min: int = 5 * PICO // 2
    """Two and a half dollars in the decayed hour: below, nobody should be called."""

    # stuck run, silence, cardinality
    stuck_factor: float = 4.0
    """Times the dearest run before."""
    stuck_min: int = 2 * PICO
    silent_blocks: int = 36
    silent_factor: float = 12.0
    """Times the longest usual pause, which has a quarter of an hour at most."""
    silent_min_ms: int = 60 * MINUTE_MS
    silent_ends_ms: int = 24 * HOUR_MS
    """An agent that stays away was retired."""
    bomb_agents: int = 200
    """Ids used once in ten minutes; the largest recorded start of new agents is 500 in two hours, of many calls
    each.
    """
    bomb_share: float = 0.9

    # incidents
    quiet_ms: int = 30 * MINUTE_MS
    """A 60-second cool-down gave 2.6 alerts an incident, 30 minutes 1.0."""
    reopen_ms: int = 2 * HOUR_MS
    critical_rate: int = 20 * PICO
    """Pico-USD an hour."""
    critical_cost: int = 100 * PICO

    # bounds
    max_roots: int = 100_000
    max_runs: int = 200_000
    max_members: int = 512
    """Sub-agents remembered a run; beyond, they are only counted."""
    run_idle_ms: int = 6 * HOUR_MS
