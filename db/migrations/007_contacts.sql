-- The connection doctor: for each device and each stranger what it last wanted
-- and why it did not get it. Written by the workers once in a second, beside
-- the work; the texts of a cause stand in model/model_cause.c.

-- One row for each peer and cause; cause '' is a contact in order. A stranger
-- has no device; it is known by its address and AE titles.
create table device_contact (
    id bigint generated always as identity primary key,
    device_id bigint references device,
    address inet not null,
    calling text not null,
    called text not null,
    cause text not null,
    first_at timestamptz not null default now(),
    last_at timestamptz not null,
    count bigint not null,
    detail text,
    contexts jsonb,     -- of the last association with this outcome
    contexts_at timestamptz,
    constraint device_contact_key unique nulls not distinct (device_id, address, calling, called, cause),
    constraint device_contact_aet_length check (length(calling) <= 16 and length(called) <= 16),
    constraint device_contact_cause_form check (cause ~ '^[a-z_0-9]{0,40}$'),
    constraint device_contact_counted check (count > 0),
    constraint device_contact_contexts_tied check ((contexts is null) = (contexts_at is null))
);
create index device_contact_stranger on device_contact (last_at) where device_id is null;
create index device_contact_calling on device_contact (lower(calling)) where device_id is null;

alter table device_contact enable row level security;
alter table device_contact force row level security;
do $$
begin
    execute format('create policy owner_all on device_contact to %I using (true) with check (true)',
                   current_user);
end $$;
create policy ingest_all on device_contact for select to rdc_ingest using (true);
-- Its own devices, and strangers that call themselves by their names, in whatever
-- case, or call from their one address.
create policy api_read on device_contact for select to rdc_api using (
    exists (select from device d where case when device_id is not null then d.id = device_id
        else lower(d.aet) = lower(calling) or d.address = device_contact.address end));
grant select on device_contact to rdc_api, rdc_ingest;

-- Notes of one worker: [{"device", "address", "calling", "called", "cause",
-- "count", "age_ms", "detail", "contexts", "contexts_age_ms"}]. Taken in the order of their key, so
-- that two workers cannot block each other. 1000 strangers are kept, and 200
-- rows of each device; the oldest go.
create function contact_note(p_notes jsonb) returns void
language sql security definer set search_path = public as
$$
    insert into device_contact as c (device_id, address, calling, called, cause, first_at, last_at, count, detail,
        contexts, contexts_at)
    select n.device, n.address, n.calling, n.called, n.cause,
        now() - make_interval(secs => n.age_ms / 1000.0), now() - make_interval(secs => n.age_ms / 1000.0), n.count, n.detail, nullif(n.contexts, 'null'),
        case when n.contexts <> 'null' then now() - make_interval(secs => n.contexts_age_ms / 1000.0) end
    from jsonb_to_recordset(p_notes) as n(device bigint, address inet, calling text, called text,
        cause text, count bigint, age_ms bigint, detail text, contexts jsonb, contexts_age_ms bigint)
    where n.device is null or exists (select from device where id = n.device)
    order by n.device, n.address, n.calling, n.called, n.cause
    on conflict on constraint device_contact_key do update set
        last_at = greatest(c.last_at, excluded.last_at), count = c.count + excluded.count,
        detail = excluded.detail, contexts = coalesce(excluded.contexts, c.contexts),
        contexts_at = coalesce(excluded.contexts_at, c.contexts_at);
    delete from device_contact where id in (
        select id from device_contact where device_id is null
        order by last_at desc, id desc offset 1000);
    delete from device_contact where id in (
        select id from (
            select id, row_number() over (partition by device_id order by last_at desc, id desc) as place
            from device_contact
            where device_id in (select (n ->> 'device')::bigint from jsonb_array_elements(p_notes) n)) x
        where place > 200)
$$;

-- A row as it is told; p_causes are the texts by code.
create function contact_row(c device_contact, p_causes jsonb) returns jsonb language sql stable as
$$
    select jsonb_build_object('code', c.cause) || coalesce(p_causes -> c.cause, '{}')
        || jsonb_build_object('count', c.count, 'first_at', c.first_at, 'last_at', c.last_at,
            'address', host(c.address), 'calling', nullif(c.calling, ''),
            'called', nullif(c.called, ''), 'stranger', c.device_id is null, 'detail', c.detail)
$$;

grant select on commitment to rdc_api;
create policy api_read on commitment for select to rdc_api using (
    exists (select from device d where d.id = commitment.device_id));

-- Results of storage commitments that these devices do not have yet, and whether all have an address for them.
create function device_commitments(p_devices bigint[]) returns jsonb language sql stable as
$$
    select jsonb_build_object('waiting', count(*), 'since', min(c.created_at),
        'last_error', (array_agg(c.last_error order by c.state_at desc) filter (where c.last_error is not null))[1],
        'callback', coalesce(bool_and(d.callback_host is not null), true))
    from commitment c join device d on d.id = c.device_id where c.device_id = any (p_devices) and c.state = 'due'
$$;

-- What is known of the devices with this AE title that the asker may see, and
-- of strangers who might be one of them.
create function device_doctor(p_aet text, p_causes jsonb) returns jsonb
language plpgsql stable as
$$
declare
    v_devices bigint[] := array(select id from device where aet = p_aet);
    v_rows bigint[];
begin
    v_rows := array(select c.id from device_contact c
        where c.device_id = any (v_devices) or (c.device_id is null and (lower(c.calling) = lower(p_aet)
            or exists (select from device d where d.id = any (v_devices) and d.address = c.address))));
    if v_devices = '{}' and v_rows = '{}' then
        perform fail(404, format('no such device %s, and nobody called by this name', p_aet),
            'list the devices with: rdc device list');
    end if;
    return jsonb_build_object('aet', p_aet,
        'devices', (select coalesce(jsonb_agg(jsonb_build_object('org', o.code, 'address', d.address,
                'called', d.called, 'disabled_at', d.disabled_at) order by d.id), '[]')
            from device d join organisation o on o.id = d.org_id where d.id = any (v_devices)),
        'last_contact_at', (select max(last_at) from device_contact where id = any (v_rows)),
        'last_ok_at', (select max(last_at) from device_contact where id = any (v_rows) and cause = ''),
        'last_error', (select contact_row(c, p_causes) from device_contact c
            where c.id = any (v_rows) and c.cause <> '' order by c.last_at desc, c.id desc limit 1),
        'causes', (select coalesce(jsonb_agg(contact_row(c, p_causes) order by c.last_at desc, c.id desc), '[]')
            from device_contact c where c.id = any (v_rows) and c.cause <> ''),
        'contexts', (select coalesce((select c.contexts from device_contact c
            where c.device_id = any (v_devices) and c.contexts is not null
            order by c.contexts_at desc, c.id desc limit 1), '[]')),
        'commitments', device_commitments(v_devices),
        'advice', device_advice(v_devices));
end $$;

-- For operators: who called and is no device.
create function stranger_doctor(p_causes jsonb) returns jsonb language sql stable as
$$
    select jsonb_build_object('strangers',
        coalesce(jsonb_agg(contact_row(c, p_causes) order by c.last_at desc, c.id desc), '[]'))
    from (select * from device_contact where device_id is null
          order by last_at desc, id desc limit 200) c
$$;

grant execute on function device_commitments(bigint[]) to rdc_api;
grant execute on function contact_note(jsonb) to rdc_ingest;
grant execute on function contact_row(device_contact, jsonb), device_doctor(text, jsonb) to rdc_api;
