-- What is planned says how much it is: a target that is gone when its batch comes to it settles
-- exactly as many targets as were counted for it.

ALTER TABLE processing_batch
    ADD COLUMN weights smallint[] NOT NULL DEFAULT '{}';

-- Batches of processes that are running while this is applied were planned without weights. Each
-- of their targets counts as one; the worker's own count of what is staged is not affected by it.
UPDATE processing_batch SET weights = array_fill(1::smallint, ARRAY[cardinality(target_ids)]);

ALTER TABLE processing_batch
    ADD CONSTRAINT processing_batch_weights CHECK (cardinality(weights) = cardinality(target_ids));

-- A worker of the version before, which runs on while this one is deployed, plans without weights.
CREATE FUNCTION processing_batch_default_weights() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.weights = '{}' THEN
        NEW.weights := array_fill(1::smallint, ARRAY[cardinality(NEW.target_ids)]);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER processing_batch_default_weights BEFORE INSERT ON processing_batch
    FOR EACH ROW EXECUTE FUNCTION processing_batch_default_weights();

COMMENT ON COLUMN processing_batch.target_ids IS 'The targets that the batch begins with.';
COMMENT ON COLUMN processing_batch.weights IS 'For each of them, how many targets there are from it down, itself included.';
