-- What people changed about the money: the operator's files and the version of the software, as workers found them; and
-- which of all events stand in Grafana as annotations.

CREATE TABLE IF NOT EXISTS change_rows
(
    id        String COMMENT 'of what, name, digest and the change before: the same change has the same id',
    what      LowCardinality(String) COMMENT 'prices, budgets, plans, tiers, policies or version',
    name      String COMMENT 'the file''s name without its folder',
    digest    String COMMENT 'sha256 of the file, empty when there is none any more; the version itself',
    text      String COMMENT 'what changed, in words',
    content   String CODEC(ZSTD(6)) COMMENT 'the whole file; empty for policies, which may name secrets',
    worker    String,
    at        DateTime64(3, 'UTC') COMMENT 'when a worker started with it'
)
ENGINE = MergeTree
ORDER BY (what, at)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE OR REPLACE VIEW changes AS
SELECT id, what, name, digest, text, content, worker, at
FROM change_rows
ORDER BY what, at, id
LIMIT 1 BY id;

CREATE TABLE IF NOT EXISTS grafana_annotations
(
    id          String COMMENT 'of the event',
    grafana     String COMMENT 'base URL',
    annotation  Int64 COMMENT 'its number there',
    digest      String COMMENT 'of what was written: an incident that ends is written again',
    at          DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (grafana, id);
