-- Whether the ledger has the watcher's tables (1) or was made by an older version (0).
SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'watch_epochs'
