-- What db/ itself needs.

-- name: tx_begin
begin

-- name: tx_commit
commit

-- name: tx_rollback
rollback

-- name: db_setting
-- Sets a configuration parameter for this transaction only.
select set_config($1, $2, true)

-- name: db_safety
-- What rdc refuses to serve with; a superuser counts as a member of every role.
-- Then which cluster this is and its timeline, which rises with each promotion.
select
    exists (select from pg_roles
            where (rolsuper or rolbypassrls) and pg_has_role(session_user, oid, 'member')) as above_rls,
    current_setting('fsync') = 'off' as fsync_off,
    current_setting('full_page_writes') = 'off' as full_page_writes_off,
    current_setting('synchronous_commit') = 'off' as synchronous_commit_off,
    current_setting('transaction_read_only') = 'on' as read_only,
    current_setting('synchronous_standby_names') <> ''
        and current_setting('synchronous_commit') in ('local', 'remote_write') as standby_not_awaited,
    (select system_identifier from pg_control_system()) as system,
    case when pg_is_in_recovery() then '0' else left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) end as timeline

-- name: db_lock
-- Held until the session ends: one migration run at a time.
select pg_advisory_lock($1)

-- name: db_unlock
select pg_advisory_unlock($1)

-- name: migration_table
create table if not exists schema_migration (
    version integer primary key,
    name text not null,
    sha256 bytea not null constraint schema_migration_sha256_length check (length(sha256) = 32),
    applied_at timestamptz not null default now()
)

-- name: migration_table_exists
select to_regclass('schema_migration') is not null

-- name: migration_list
select version, name, encode(sha256, 'hex'), applied_at from schema_migration order by version

-- name: migration_add
insert into schema_migration (version, name, sha256) values ($1, $2, $3)
