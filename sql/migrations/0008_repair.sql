-- Repair: which rejects were mended and sent again, and which partitions somebody asked to read again.

-- One row for every reject that was sent again. The reject itself stays what it is: a record that came and was refused.
-- The mended call came as a record of its own, at (to_partition, to_offset).
CREATE TABLE IF NOT EXISTS reject_retries
(
    incarnation   UInt32 COMMENT 'place of the reject, with the three below',
    partition     UInt32,
    offset        UInt64,
    item          UInt32,
    retry_id      String COMMENT 'one run of `spendstream rejects retry`',
    fix           String COMMENT 'what was mended, as the operator said it',
    by            String COMMENT 'who: the name of a token, or of the user of this machine',
    to_partition  UInt32 COMMENT 'where the mended call went in the log',
    to_offset     UInt64,
    retried_at    DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (partition, offset, item)
SETTINGS non_replicated_deduplication_window = 10000;

-- Rejects that nobody has mended yet.
CREATE OR REPLACE VIEW open_rejects AS
SELECT reason, detail, payload, arrived_at, ingested_at, incarnation, partition, offset, item
FROM intake
WHERE outcome = 'reject' AND (incarnation, partition, offset, item) NOT IN
(
    SELECT incarnation, partition, offset, item FROM reject_retries
);

-- Requests to read a partition of the log again from `start_offset`. One is open as long as the ledger's newest life of
-- the partition is `after_incarnation`: whoever takes the partition over then begins the next life at `start_offset`.
CREATE TABLE IF NOT EXISTS replays
(
    partition          UInt32,
    after_incarnation  UInt32 COMMENT 'newest life of the partition when it was asked for; 0: the ledger had none',
    start_offset       UInt64,
    replay_id          String,
    from_time          DateTime64(3, 'UTC') COMMENT 'the time that was asked for',
    by                 String,
    asked_at           DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (partition, after_incarnation)
SETTINGS non_replicated_deduplication_window = 10000;
