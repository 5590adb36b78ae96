-- The tenants that a run deleted come back to what they were before it, in the view
-- and as an event each. :run and :cut are given.
SELECT clock_timestamp() AS began \gset
BEGIN;
WITH target AS MATERIALIZED (
  SELECT id, version FROM events WHERE run = :'run' AND type = 'tenant.deleted.v1'
), folded AS MATERIALIZED (
  SELECT e.id, t.version + 1 AS version, jsonb_strip_nulls(jsonb_merge(patch(e.type, e.payload) ORDER BY e.version)) AS doc
  FROM events e JOIN target t ON t.id = e.id WHERE e.seq <= :cut GROUP BY e.id, t.version
), logged AS (
  INSERT INTO events (id, version, at, type, actor, payload)
  SELECT id, version, now(), 'tenant.restored.v1', 'restore', doc FROM folded
)
INSERT INTO documents SELECT id, doc FROM folded;
COMMIT;
SELECT extract(epoch FROM clock_timestamp() - :'began');
