-- The tenants of a list come back to what they were at :cut.
SELECT clock_timestamp() AS began \gset
BEGIN;
INSERT INTO entities (tenant, key, doc)
  SELECT tenant, key, doc FROM entities_was
  WHERE since <= :'cut' AND until > :'cut' AND tenant IN (SELECT id FROM doomed);
COMMIT;
SELECT extract(epoch FROM clock_timestamp() - :'began');
