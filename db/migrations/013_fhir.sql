-- Orders by FHIR: what a request does is order_upsert(), as for everybody else.

-- The orders of a centre under one identifier. A null system is any system.
-- Accession numbers and Study Instance UIDs are unique whatever their system.
create function order_identified(p_centre bigint, p_system text, p_value text) returns setof exam_order
language sql stable as
$$
    select * from exam_order where centre_id = p_centre and placer_number = p_value
        and (p_system is null or placer_issuer = p_system)
    union select * from exam_order where centre_id = p_centre and accession = p_value
    union select * from exam_order where centre_id = p_centre and study_uid = replace(p_value, 'urn:oid:', '')
        and coalesce(p_system, '') in ('', 'urn:dicom:uid')
$$;

-- What a site's codes mean, where the order itself does not say it: the map of
-- the centre's HL7 senders.
create function fhir_order(p jsonb) returns jsonb language sql stable as
$$
    select p || jsonb_strip_nulls(jsonb_build_object(
        'modality', coalesce(p ->> 'modality', c.modality),
        'description', coalesce(p ->> 'description', c.description)))
    from (select 1) x left join lateral (
        select k.modality, k.description from hl7_code k join hl7_sender s on s.id = k.sender_id
        where s.org_id = rdc_org() and k.code = p ->> 'procedure_code' order by s.id limit 1) c on true
$$;

-- One request: {"method", "id", "identifier": {"system", "value"}, "version", "order"}.
-- {"status", "order"}
create function fhir_put_one(r jsonb) returns jsonb language plpgsql as
$$
declare
    p jsonb := fhir_order(r -> 'order');
    v_found bigint[];
    v_final boolean := coalesce(r #>> '{order,control}', '') <> '';
    v_version bigint;
    v jsonb;
begin
    if r ? 'identifier' then
        v_found := array(select id from order_identified(rdc_org(), r #>> '{identifier,system}',
            r #>> '{identifier,value}'));
    elsif r ? 'id' then
        v_found := array(select id from exam_order where centre_id = rdc_org() and id = (r ->> 'id')::bigint);
    end if;
    if cardinality(v_found) > 1 then
        perform fail(412, format('%s orders have this identifier', cardinality(v_found)),
            'name the system too: identifier=SYSTEM|VALUE');
    end if;
    -- R4 http.html 3.1.0.8.1: who finds one is given that one.
    if r ->> 'method' = 'POST' and cardinality(v_found) = 1 then
        return jsonb_build_object('status', 200,
            'order', (select order_row(o) from exam_order o where o.id = v_found[1]));
    end if;
    if cardinality(v_found) = 1 then
        select count(*) into v_version from exam_order_event where order_id = v_found[1];
        if r ? 'version' and (r ->> 'version')::bigint <> v_version then
            perform fail(412, format('the order has version %s now', v_version), 'read it again, then change it');
        end if;
        v := order_upsert(p || jsonb_build_object('id', v_found[1], 'centre_id', rdc_org(), 'replace', true,
            'control', case when v_final then p ->> 'control' else 'change' end));
        return jsonb_build_object('status', 200, 'order', v);
    end if;
    -- R4 http.html 3.1.0.4.1: an id of the client's making is not taken.
    if r ? 'id' then
        perform fail(405, 'there is no such order, and its id is made here',
            'POST it, or PUT it to ServiceRequest?identifier=SYSTEM|VALUE');
    elsif v_final then
        perform fail(422, 'a new order must be active, draft or on-hold', 'there is no order to end');
    end if;
    v := order_upsert(p || jsonb_build_object('centre_id', rdc_org(), 'control', 'new'));
    return jsonb_build_object('status', 201, 'order', v);
end $$;

-- Requests, all or none, or each for itself; those without an order are passed
-- over. An error tells in its detail which request it was (from 0).
create function fhir_put(p_requests jsonb, p_atomic boolean) returns jsonb
language plpgsql security definer set search_path = public as
$$
declare
    r jsonb;
    n int := 0;
    v jsonb := '[]';
    v_hint text;
    v_constraint text;
begin
    perform upload_permit();
    for r in select * from jsonb_array_elements(p_requests) loop
        begin
            v := v || jsonb_build_array(case when r ? 'order' then fhir_put_one(r) else r end);
        exception when others then
            get stacked diagnostics v_hint = pg_exception_hint, v_constraint = constraint_name;
            if p_atomic or (sqlstate !~ '^RD4' and sqlstate !~ '^2[23]') then
                raise exception using errcode = sqlstate, message = sqlerrm, hint = v_hint,
                    constraint = v_constraint, detail = n::text;
            end if;
            v := v || jsonb_build_array(jsonb_build_object('sqlstate', sqlstate, 'message', sqlerrm,
                'hint', v_hint, 'constraint', v_constraint));
        end;
        n := n + 1;
    end loop;
    return v;
end $$;

-- For who may see them.
create function fhir_find(p_system text, p_value text) returns jsonb language sql stable as
$$
    select coalesce(jsonb_agg(order_row(o) order by o.id), '[]')
    from order_identified(rdc_org(), p_system, p_value) o
$$;

grant execute on function fhir_put(jsonb, boolean), fhir_find(text, text), order_identified(bigint, text, text)
    to rdc_api;
