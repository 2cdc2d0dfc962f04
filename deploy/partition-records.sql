-- Partition the records by agency, on PostgreSQL 14 or newer (docs/adr/0008): the site is stopped,
-- `psql --single-transaction -v ON_ERROR_STOP=1 -f deploy/partition-records.sql`, the site is started.
-- Nothing in the code changes.  Constraints and indexes keep their names, so migrations still find
-- them; only the primary key takes the agency in, as a key of a partitioned table must.

LOCK TABLE hours_record IN ACCESS EXCLUSIVE MODE;
ALTER TABLE hours_record RENAME TO hours_record_whole;

CREATE TABLE hours_record (
    LIKE hours_record_whole INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING CONSTRAINTS
) PARTITION BY HASH (agency_id);

DO $$
DECLARE
    partitions CONSTANT integer := 16;
    keys text[];
    statement text;
BEGIN
    FOR n IN 0 .. partitions - 1 LOOP
        EXECUTE format(
            'CREATE TABLE hours_record_%s PARTITION OF hours_record'
            ' FOR VALUES WITH (MODULUS %s, REMAINDER %s)', n, partitions, n);
    END LOOP;
    INSERT INTO hours_record SELECT * FROM hours_record_whole;
    PERFORM setval(pg_get_serial_sequence('hours_record', 'id'), coalesce(max(id), 0) + 1, false)
        FROM hours_record;

    SELECT array_agg(format('ALTER TABLE hours_record ADD CONSTRAINT %I %s',
                            conname, pg_get_constraintdef(oid)))
        INTO keys FROM pg_constraint
        WHERE conrelid = 'hours_record_whole'::regclass AND contype = 'u';
    SELECT keys || array_agg(replace(pg_get_indexdef(indexrelid),
                                     'hours_record_whole', 'hours_record'))
        INTO keys FROM pg_index
        WHERE indrelid = 'hours_record_whole'::regclass
          AND indexrelid NOT IN (SELECT conindid FROM pg_constraint
                                 WHERE conrelid = 'hours_record_whole'::regclass);
    DROP TABLE hours_record_whole;
    ALTER TABLE hours_record ADD CONSTRAINT hours_record_pkey PRIMARY KEY (id, agency_id);
    FOREACH statement IN ARRAY keys LOOP
        EXECUTE statement;
    END LOOP;
END $$;
