#!/usr/bin/env bash
# PostgreSQL on the catalogue's job, on the same events, and the ratios beside the
# catalogue's own figures.
#
#   run.sh                 make a data set of TENANTS (100000) tenants first
#   run.sh DATASET         use one that catalogue bench --prepare has made
#
# RUNS (3) is how often each figure is taken; the median counts. WORK is where the
# database lives, a temporary directory if unset, removed in the end. CATALOGUE is the
# binary (.bin/catalogue).
#
# PostgreSQL runs with fsync and synchronous_commit as they ship, over a unix socket,
# with memory enough for everything and checkpoints out of the way.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
catalogue=${CATALOGUE:-$here/../../../../.bin/catalogue}
runs=${RUNS:-3}
tenants=${TENANTS:-100000}

pgbin=$(command -v pg_ctl >/dev/null && dirname "$(command -v pg_ctl)" || ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [ -z "$pgbin" ] || ! command -v psql >/dev/null || ! command -v pgbench >/dev/null; then
  echo "PostgreSQL is not installed; on Debian: apt-get install postgresql" >&2
  exit 2
fi

work=${WORK:-$(mktemp -d)}
mkdir -p "$work/pg" "$work/export"
chmod 755 "$work" "$work/export"
as_pg=()
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
  chown postgres "$work/pg"
  as_pg=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
finish() {
  "${as_pg[@]}" "$pgbin/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
  [ -n "${WORK:-}" ] || rm -rf "$work"
}
trap finish EXIT

say() { echo "$*" >&2; }
median() { sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

data=${1:-}
if [ -z "$data" ]; then
  data=$work/dataset
  "$catalogue" bench --prepare "$data" --tenants "$tenants" >/dev/null
fi
tenants=$("$catalogue" bench --prepare "$data" --tenants "$(sed -n 's/.*"tenants": \([0-9]*\).*/\1/p' "$data/bench.json")" -o json | sed 's/.*"tenants":\([0-9]*\).*/\1/')
say "exporting the data set"
"$catalogue" bench --data "$data" --export "$work/export"
chmod 644 "$work/export"/*

say "PostgreSQL: $("$pgbin/postgres" --version)"
(
  cd "$work/pg"
  "${as_pg[@]}" "$pgbin/initdb" -D "$work/pg/data" -U bench -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
  "${as_pg[@]}" tee -a "$work/pg/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$work/pg'
max_connections = 100
shared_buffers = 1GB
work_mem = 64MB
maintenance_work_mem = 512MB
effective_cache_size = 4GB
max_wal_size = 8GB
checkpoint_timeout = 1h
jit = off
CONF
  "${as_pg[@]}" "$pgbin/pg_ctl" -D "$work/pg/data" -l "$work/pg/log" -w -t 120 start >/dev/null
)
export PGHOST=$work/pg PGUSER=bench PGDATABASE=postgres
q() { PGOPTIONS="-c client_min_messages=warning" psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
# timed FILE [psql's flags]: the seconds that the file prints last
timed() { q "${@:2}" -f "$here/$1" | tail -n 1; }

q -f "$here/schema.sql"
q -c "\\copy staging FROM '$work/export/events.tsv'" -c "CREATE TABLE doomed (id uuid PRIMARY KEY)" \
  -c "\\copy doomed FROM '$work/export/doomed.tsv'" -c "CREATE UNLOGGED TABLE numbered AS SELECT row_number() OVER (ORDER BY seq) AS n, * FROM staging" \
  -c "CREATE UNIQUE INDEX ON numbered (n)" -c "VACUUM ANALYZE"
rows=$(q -c "SELECT count(*) FROM staging")

say "inserts, $rows events"
cat >"$work/insert.sql" <<'SQL'
\set first :client_id * :share + :k
\set last :first + :many
\set k :k + :many
INSERT INTO events_new (id, version, at, type, actor, run, payload)
  SELECT id, version, at, type, actor, run, payload FROM numbered WHERE n > :first::bigint AND n <= :last::bigint;
SQL
# inserts CLIENTS ROWS-A-COMMIT COMMITS [pgbench's flags]: commits a second
inserts() {
  q -c "TRUNCATE events_new" -c CHECKPOINT
  pgbench -n -M prepared -f "$work/insert.sql" -c "$1" -j "$(($1 < 2 ? $1 : 2))" -t "$3" -D k=0 -D many="$2" -D share=$((rows / $1)) "${@:4}" |
    awk '/^tps/ {print $3}'
}
# The same 1,000 rows a commit sent by two clients in the cheapest way there is.
head -n 400000 "$work/export/events.tsv" | cut -f3- | awk -v to="$work/many" '
  NR % 1000 == 1 { if (NR > 1) print "\\." >out; out = to (++n % 2) ".sql"
    print "COPY events_new (id, version, at, type, actor, run, payload) FROM STDIN;" >out }
  { print >out }
  END { print "\\." >out }'
many() {
  local began pids=()
  q -c "TRUNCATE events_new" -c CHECKPOINT
  began=$(date +%s.%N)
  for half in 0 1; do
    q -f "$work/many$half.sql" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  awk -v a="$began" -v b="$(date +%s.%N)" -v n="$(q -c "SELECT count(*) FROM events_new")" 'BEGIN {print n / (b - a)}'
}
each=$((rows / 64 < 300 ? rows / 64 : 300))
commits=$((rows / 2000 < 100 ? rows / 2000 : 100))
insert_1000=$(for _ in $(seq "$runs"); do inserts 2 1000 "$commits"; done | median | awk '{print $1 * 1000}')
copy_1000=$(for _ in $(seq "$runs"); do many; done | median)
insert_64=$(for _ in $(seq "$runs"); do inserts 64 1 "$each"; done | median)
rm -f "$work"/commit.*
for _ in $(seq "$runs"); do inserts 1 1 1000 -l --log-prefix="$work/commit" >/dev/null; done
commit_p50=$(cut -d' ' -f3 "$work"/commit.* | median)

say "COPY and fold"
copy=$(for _ in $(seq "$runs"); do
  q -c "TRUNCATE events" -c CHECKPOINT
  began=$(date +%s.%N)
  cut -f1,3- "$work/export/events.tsv" | q -c "\\copy events FROM STDIN"
  awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {print b - a}'
done | median)
q -c "VACUUM ANALYZE events" -c CHECKPOINT -c "SELECT setval(pg_get_serial_sequence('events', 'seq'), max(seq)) FROM events" >/dev/null
bytes=$(q -c "SELECT pg_total_relation_size('events')::float / count(*) FROM events")
fold=$(for _ in $(seq "$runs"); do timed fold.sql; done | median)

say "the wrong run, and its restoration from the events table"
run=00000000-0000-7000-8000-000000000001
cut=$(q -c "SELECT max(seq) FROM events")
q -c "BEGIN" -c "INSERT INTO events (id, version, at, type, actor, run, payload)
  SELECT d.id, max(e.version) + 1, now(), 'tenant.deleted.v1', 'user_campaign', '$run', '{}' FROM doomed d JOIN events e USING (id) GROUP BY d.id" \
  -c "DELETE FROM documents WHERE id IN (SELECT id FROM doomed)" -c "COMMIT" -c "VACUUM ANALYZE" -c CHECKPOINT
restore_events=$(for _ in $(seq "$runs"); do
  timed restore_events.sql -v run="$run" -v cut="$cut"
  q -c "DELETE FROM documents WHERE id IN (SELECT id FROM doomed)" -c "DELETE FROM events WHERE type = 'tenant.restored.v1'" -c "VACUUM events" -c CHECKPOINT
done | median)

say "history triggers"
q -f "$here/history.sql" -c "VACUUM ANALYZE" -c CHECKPOINT
cut=$(q -c "SELECT at FROM staging ORDER BY seq OFFSET $((rows * 9 / 10)) LIMIT 1")
asof_all=$(for _ in $(seq "$runs"); do timed asof_all.sql -v cut="$cut"; done | median)
now=$(q -c "SELECT clock_timestamp()")
restore_history=$(for _ in $(seq "$runs"); do
  before=$(q -c "SELECT clock_timestamp()")
  q -c "DELETE FROM entities WHERE tenant IN (SELECT id FROM doomed)" -c "VACUUM ANALYZE" -c CHECKPOINT
  timed restore_history.sql -v cut="$before"
done | median)
back=$(q -c "SELECT count(DISTINCT tenant) FROM entities WHERE since > '$now'")
[ "$back" = "$(wc -l <"$work/export/doomed.tsv")" ] || { say "PostgreSQL restored $back tenants"; exit 1; }

per_second() { awk -v n="$rows" -v s="$1" 'BEGIN {print n / s}'; }
cat >"$work/rivals.json" <<JSON
{"tenants": $tenants, "figures": {
  "insert_1000": $insert_1000, "copy_1000": $copy_1000, "insert_64": $insert_64, "commit_p50_us": $commit_p50,
  "copy": $(per_second "$copy"), "fold": $(per_second "$fold"), "copy_fold": $(awk -v n="$rows" -v a="$copy" -v b="$fold" 'BEGIN {print n / (a + b)}'),
  "events_table_bytes": $bytes, "events_restore_s": $restore_events, "history_restore_s": $restore_history, "history_asof_all_s": $asof_all
}}
JSON
"${as_pg[@]}" "$pgbin/pg_ctl" -D "$work/pg/data" -m fast -w stop >/dev/null
cat "$work/rivals.json" >&2
"$catalogue" bench --data "$data" --rivals "$work/rivals.json" --runs "$runs" \
  publish-saturated publish-64 publish-one rebuild-views rebuild-all as-of-all disk restore
