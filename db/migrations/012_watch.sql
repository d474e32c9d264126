-- Watched folders: what a device writes into one is taken as if it had sent it.
-- One worker at a time watches a folder, under a lease.

alter table device
    add column watch_dir text,
    add column watch_owner text,
    add column watch_until timestamptz,
    add constraint device_watch_unique unique (watch_dir),
    add constraint device_watch_absolute check (watch_dir ~ '^/[^[:cntrl:]]+$' and length(watch_dir) <= 300),
    add constraint device_watch_whole check ((watch_owner is null) = (watch_until is null));
comment on constraint device_watch_absolute on device is 'a watched folder is an absolute path of up to 300 characters';

-- The folders that this worker watches from now on: its own, and those whose
-- worker has not been heard of.
create function watch_claim(p_owner text, p_seconds int) returns jsonb
language sql security definer set search_path = public as
$$
    with free as (
        select d.id from device d join organisation o on o.id = d.org_id
        where d.watch_dir is not null and d.disabled_at is null and o.disabled_at is null
            and (d.watch_owner = p_owner or d.watch_until is null or d.watch_until < now())
        order by d.id for update of d skip locked
    ), taken as (
        update device d set watch_owner = p_owner, watch_until = now() + make_interval(secs => p_seconds)
        from free f where d.id = f.id returning d.*
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'aet', t.aet, 'centre_id', t.org_id,
        'code', o.code, 'quiet', t.quiet_seconds, 'dir', t.watch_dir) order by t.id), '[]')
    from taken t join organisation o on o.id = t.org_id
$$;
grant execute on function watch_claim(text, int) to rdc_ingest;
