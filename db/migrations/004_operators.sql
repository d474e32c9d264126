-- What operators need by name: rows found by their codes, with an error that
-- says which are known.

create function org_id(p_code text, p_kind text default null) returns bigint language plpgsql stable as
$$
declare
    o organisation;
begin
    select * into o from organisation where code = p_code;
    if o.id is null then
        perform fail(404, format('no organisation %s', p_code),
            'known: ' || coalesce((select string_agg(code, ', ' order by code) from organisation), 'none'));
    elsif o.kind <> p_kind then
        perform fail(422, format('organisation %s is a %s, not a %s', p_code, o.kind, p_kind));
    end if;
    return o.id;
end $$;

create function line_id(p_code text) returns bigint language plpgsql stable as
$$
declare
    v bigint := (select id from line where code = p_code);
begin
    if v is null then
        perform fail(404, format('no line %s', p_code),
            'known: ' || (select string_agg(code, ', ' order by code) from line));
    end if;
    return v;
end $$;

-- The one device meant: by AE title alone where that is enough.
create function device_id(p_aet text, p_address inet, p_called text) returns bigint
language plpgsql stable as
$$
declare
    v bigint[];
begin
    select array_agg(id) into v from device
    where aet = p_aet and (p_address is null or address = network(p_address)::cidr)
        and (p_called is null or called = p_called);
    if v is null then
        perform fail(404, format('no such device %s', p_aet), 'list them with: rdc device list');
    elsif cardinality(v) > 1 then
        perform fail(409, format('%s devices are called %s', cardinality(v), p_aet),
            'say which with --address and --called');
    end if;
    return v[1];
end $$;

create function contract_id(p_centre text, p_hospital text, p_line text) returns bigint
language plpgsql stable as
$$
declare
    v bigint := (select id from contract where centre_id = org_id(p_centre)
        and hospital_id = org_id(p_hospital) and line_id = line_id(p_line));
begin
    if v is null then
        perform fail(404, 'no such contract', 'list them with: rdc contract list');
    end if;
    return v;
end $$;

-- Counts for rdc status and /metrics, and what an operator should look at.
create function status_report() returns jsonb
language sql stable security definer set search_path = public as
$$
    select jsonb_build_object(
        'exams', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from exam group by 1) x),
        'deliveries', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from delivery group by 1) x),
        'jobs', (select coalesce(jsonb_object_agg(state, n), '{}')
            from (select state, count(*) as n from job group by 1) x),
        'objects', (select count(*) from object),
        'warnings', (select coalesce(jsonb_agg(w), '[]') from (
            select format('device %s of %s has no address: anybody who knows its AE title can send as it',
                d.aet, o.code) as w
            from device d join organisation o on o.id = d.org_id
            where d.address is null and d.disabled_at is null
            union all
            select format('%s exams have no contract for their line', count(*))
            from exam where state = 'unrouted' having count(*) > 0
            union all
            select format('destination %s: %s deliveries are dead', t.name, count(*))
            from delivery d join destination t on t.id = d.destination_id
            where d.state = 'dead' group by t.name
            union all
            select format('%s exams are quarantined: their patient contradicts their order', count(*))
            from exam where quarantined_at is not null having count(*) > 0
            union all
            select format('%s jobs are set aside: they failed three times, or their worker ended five times', count(*))
            from job where state = 'quarantined' having count(*) > 0
            union all
            select format('%s jobs are put back again and again, at the longest since %s: %s', count(*),
                date_trunc('second', min(created_at)), max(last_error))
            from job where put_back >= 5 having count(*) > 0) warnings))
$$;
grant execute on function status_report() to rdc_ingest;
