-- How many identities of the share {share} of {shares} stand in the ledger as calls more than once in an hour.
SELECT count() FROM
(
    SELECT hour, identity FROM intake
    WHERE outcome = 'call' AND identity % {shares:UInt64} = {share:UInt64}
    GROUP BY hour, identity
    HAVING count() > 1
)
