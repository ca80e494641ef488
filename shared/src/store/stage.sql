-- Stages one target of a process, and raises its progress by it. Of a target of a batch one call
-- has ended, so that the batch gives back what it need not have any more.
--
--  $1 process            $5 target             $9 targets that it settles
--  $2 attempt            $6 what was written   $10 now
--  $3 batch              $7 why it is given up $11 targets that are open in the batch after it
--  $4 attempt at it      $8 the calls
WITH process AS (
    SELECT id, attempt, targets, targets_done
    FROM processing_state
    WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
    FOR UPDATE
), batch AS (
    -- Locked too: of a row that is not, a statement that has waited for the process
    -- would see what was there when it began.
    SELECT batch.id, batch.slots, batch.gives_back
    FROM process
    JOIN processing_batch batch ON batch.process_id = process.id
    WHERE batch.id = $3 AND batch.attempt = $4
    FOR UPDATE OF batch
), current AS (
    SELECT * FROM process WHERE $3::uuid IS NULL OR EXISTS (SELECT FROM batch)
), kept AS (
    -- One of its calls has ended: that one goes if others wait for it, and so does what there is
    -- nothing left for. While there is, it keeps one.
    SELECT id, slots AS before,
           LEAST(
               GREATEST(slots - LEAST(gives_back, 1), LEAST(slots, 1)), $11::smallint
           )::smallint AS slots
    FROM batch
    WHERE $11::smallint IS NOT NULL
), trimmed AS (
    UPDATE processing_batch batch
    SET slots = kept.slots,
        wants = LEAST(batch.wants, $11),
        gives_back = GREATEST(LEAST(batch.gives_back, kept.slots) - 1, 0)
    FROM kept
    WHERE batch.id = kept.id
      AND (kept.slots < kept.before OR batch.gives_back > 0 OR batch.wants > $11)
), staged AS (
    INSERT INTO processing_output (
        process_id, target_id, payload, error, usage, created_at
    )
    SELECT id, $5, $6, $7, $8, $10 FROM current
    ON CONFLICT DO NOTHING
    RETURNING process_id
), raised AS (
    UPDATE processing_state process
    SET targets_done = process.targets_done + new.settles,
        updated_at = $10,
        progress = LEAST(99, GREATEST(
            process.progress,
            5 + (94 * (process.targets_done + new.settles))
                / GREATEST(process.targets, 1)
        )),
        share = GREATEST(process.share - new.given_back, 0)
    FROM current,
         LATERAL (
             SELECT CASE WHEN EXISTS (SELECT FROM staged) THEN $9::smallint ELSE 0 END
                        AS settles,
                    COALESCE((SELECT before - slots FROM kept), 0) AS given_back
         ) new
    WHERE process.id = current.id AND (new.settles > 0 OR new.given_back > 0)
    RETURNING process.targets_done
), event AS (
    INSERT INTO processing_event (at, process_id, attempt, kind, actor, detail)
    SELECT $10, current.id, current.attempt,
           CASE WHEN $7::jsonb IS NULL THEN 'progressed' ELSE 'given-up' END, 'worker',
           jsonb_strip_nulls(jsonb_build_object(
               'targetId', $5::uuid, 'code', $7::jsonb -> 'code', 'usage', $8::jsonb
           ))
    FROM current, staged
)
SELECT COALESCE((SELECT targets_done FROM raised), targets_done) AS "done!",
       COALESCE(targets, 0::smallint) AS "targets!",
       EXISTS (SELECT FROM staged) AS "new!",
       (SELECT slots FROM kept) AS slots,
       COALESCE((SELECT before - slots FROM kept), 0)::smallint AS "given_back!"
FROM current
