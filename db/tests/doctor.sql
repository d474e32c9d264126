-- The connection doctor: what is noted, who sees it, and that it stays bounded.
do $$
declare
    v jsonb;
    v_causes jsonb := '{"wrong_called": {"text_en": "w", "text_zh": "错", "remedy_en": "r", "remedy_zh": "改"}}';
    v_cr bigint := device_id('CR1', null, null);
begin
    set local role rdc_ingest;
    perform contact_note(jsonb_build_array(
        jsonb_build_object('device', v_cr, 'address', '10.1.0.7', 'calling', 'CR1', 'called', 'RDC',
            'cause', '', 'count', 3, 'age_ms', 5000, 'detail', null,
            'contexts', '[{"sop_class": "1.2"}]'::jsonb, 'contexts_age_ms', 5000),
        jsonb_build_object('device', null, 'address', '10.1.0.7', 'calling', 'CR1', 'called', 'OTHER',
            'cause', 'wrong_called', 'count', 1, 'age_ms', 0, 'detail', 'd', 'contexts', null),
        jsonb_build_object('device', null, 'address', '10.1.0.7', 'calling', '', 'called', '',
            'cause', 'tls_on_plain_port', 'count', 1, 'age_ms', 100, 'detail', null, 'contexts', null),
        jsonb_build_object('device', null, 'address', '10.7.7.7', 'calling', 'NOBODY', 'called', 'RDC',
            'cause', 'unknown_aet', 'count', 1, 'age_ms', 0, 'detail', null, 'contexts', null),
        -- a device that is gone meanwhile
        jsonb_build_object('device', 999999, 'address', '10.7.7.7', 'calling', 'X', 'called', 'RDC',
            'cause', '', 'count', 1, 'age_ms', 0, 'detail', null, 'contexts', null)));
    perform contact_note(jsonb_build_array(
        jsonb_build_object('device', null, 'address', '10.1.0.7', 'calling', 'CR1', 'called', 'OTHER',
            'cause', 'wrong_called', 'count', 2, 'age_ms', 0, 'detail', 'd2', 'contexts', null)));
    reset role;
    assert not exists (select from device_contact where first_at > last_at), 'first after last';
    v := device_doctor('CR1', v_causes);
    assert v -> 'last_error' ->> 'code' = 'wrong_called' and (v -> 'last_error' ->> 'count')::int = 3
        and v -> 'last_error' ->> 'remedy_zh' = '改' and v -> 'last_error' ->> 'detail' = 'd2', v::text;
    assert jsonb_array_length(v -> 'causes') = 2 and v -> 'contexts' -> 0 ->> 'sop_class' = '1.2', v::text;
    assert (v ->> 'last_ok_at')::timestamptz < now() - interval '4 seconds';
    -- An unknown name is told to the operator; a name that nobody used is not there.
    assert device_doctor('NOBODY', v_causes) -> 'causes' -> 0 ->> 'code' = 'unknown_aet';
    assert device_doctor('NOBODY', v_causes) -> 'devices' = '[]';
    perform t_fails('RD404', $q$select device_doctor('NEVER', '{}')$q$);
    assert jsonb_array_length(stranger_doctor(v_causes) -> 'strangers') = 3;
    -- The centre sees its own.
    set local role rdc_api;
    perform t_as('tech1');
    v := device_doctor('CR1', v_causes);
    assert jsonb_array_length(v -> 'causes') = 2 and v -> 'devices' -> 0 ->> 'org' = 'C1', v::text;
    perform t_fails('RD404', $q$select device_doctor('NOBODY', '{}')$q$);
    perform t_as('doc2');
    perform t_fails('RD404', $q$select device_doctor('CR1', '{}')$q$);
    perform t_as('reader1');
    perform t_fails('RD404', $q$select device_doctor('CR1', '{}')$q$);
    reset role;
    -- Strangers are bounded, the oldest go.
    perform contact_note((select jsonb_agg(jsonb_build_object('device', null, 'address', '10.8.0.1',
        'calling', 'S' || n, 'called', 'RDC', 'cause', 'unknown_aet', 'count', 1, 'age_ms', 0))
        from generate_series(1, 1100) n));
    assert (select count(*) from device_contact where device_id is null) = 1000;
    perform contact_note((select jsonb_agg(jsonb_build_object('device', v_cr, 'address', '10.1.0.7',
        'calling', 'CR1', 'called', 'S' || n, 'cause', '', 'count', 1, 'age_ms', 0))
        from generate_series(1, 300) n));
    assert (select count(*) from device_contact where device_id = v_cr) = 200;
end $$;
