-- The view made anew from the events: one document a tenant.
SET work_mem = '512MB';
DROP TABLE IF EXISTS documents;
SELECT clock_timestamp() AS began \gset
CREATE TABLE documents AS
  SELECT id, jsonb_strip_nulls(jsonb_merge(patch(type, payload) ORDER BY version)) AS doc FROM events GROUP BY id;
ALTER TABLE documents ADD PRIMARY KEY (id);
SELECT extract(epoch FROM clock_timestamp() - :'began');
