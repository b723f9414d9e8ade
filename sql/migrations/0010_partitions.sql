-- How many partitions the calls topic had when an epoch began: calls of an epoch with another count may stand in another
-- partition than their copies do now, and the meter must know them where the copies come.
ALTER TABLE epochs ADD COLUMN IF NOT EXISTS partitions UInt32 DEFAULT 0 COMMENT 'partitions of the calls topic as this epoch knew them; 0: not told';
