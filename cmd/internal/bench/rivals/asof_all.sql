-- The state of all tenants as of :cut, written to a table.
DROP TABLE IF EXISTS asof;
SELECT clock_timestamp() AS began \gset
CREATE TABLE asof AS
  SELECT tenant, key, doc FROM entities WHERE since <= :'cut'
  UNION ALL SELECT tenant, key, doc FROM entities_was WHERE since <= :'cut' AND until > :'cut';
SELECT extract(epoch FROM clock_timestamp() - :'began');
