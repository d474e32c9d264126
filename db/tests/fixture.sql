-- Two centres, two hospitals, their people; helpers for the tests beside it.
-- Runs once in a new database after the migrations, before each test file,
-- whose changes are rolled back; and after tests/unit/db_fixture.h, which makes t_place.

insert into organisation (code, name, kind) values
    ('C1', '清河社区卫生服务中心', 'centre'), ('C2', '东山社区卫生服务中心', 'centre'),
    ('H1', '示例第一医院', 'hospital'), ('H2', '示例第二医院', 'hospital');
insert into person (org_id, login, name, role, password_hash) values
    (org_id('C1'), 'tech1', '技师一', 'technician', 'x'),
    (org_id('C1'), 'doc1', '医生一', 'doctor', 'x'),
    (org_id('C2'), 'doc2', '医生二', 'doctor', 'x'),
    (org_id('H1'), 'reader1', '阅片一', 'reader', 'x'),
    (org_id('H1'), 'reader2', '阅片二', 'reader', 'x'),
    (org_id('H2'), 'reader3', '阅片三', 'reader', 'x');
insert into session (token_hash, person_id, expires_at)
select sha256(convert_to(login, 'UTF8')), id, now() + interval '1 hour' from person;
insert into device (aet, org_id, quiet_seconds, address, called) values
    ('CT1', org_id('C1'), 0, null, null), ('CT1', org_id('C2'), 0, '10.2.0.0/16', null),
    ('CR1', org_id('C1'), 30, '10.1.0.7/32', 'RDC');
insert into contract (centre_id, hospital_id, line_id) values
    (org_id('C1'), org_id('H1'), line_id('radiology')), (org_id('C1'), org_id('H1'), line_id('ecg'));
insert into contract (centre_id, hospital_id, line_id, two_step) values
    (org_id('C1'), org_id('H2'), line_id('ultrasound'), true);
insert into destination (org_id, name, aet, host, port) values
    (org_id('C1'), 'c1-pacs', 'PACS', '127.0.0.1', 104);

create function t_as(p_login text) returns void language plpgsql as
$$
begin
    perform session_enter(sha256(convert_to(p_login, 'UTF8')));
end $$;
grant execute on function t_as(text) to rdc_api;

-- One object, as ingest would store it: alone in its batch.
create function t_object(p_study text, p_sop text, p_more jsonb default '{}') returns jsonb
language sql as
$$
    select ingest_store(jsonb_build_array((select place from t_place where batch = concat('alone ',
            (coalesce(p_more ->> 'patient_id', 'P1') <> '')::int, (p_more ? 'original')::int,
            coalesce((p_more ->> 'single')::bool, false)::int, p_more ->> 'priority'))
        || jsonb_build_object('centre_id', org_id('C1'), 'device_id', device_id('CR1', null, null), 'quiet', 0, 'study_uid', p_study,
        'series_uid', p_study || '.1', 'sop_uid', p_sop, 'sop_class', '1.2.840.10008.5.1.4.1.1.2',
        'transfer_syntax', '1.2.840.10008.1.2.1', 'location', gen_random_uuid()::text,
        'sha256', encode(sha256(convert_to(p_sop, 'UTF8')), 'hex'), 'size', 100,
        'patient_id', 'P1', 'patient_name', '测试一', 'modality', 'CT') || p_more - 'metadata'), array[(p_more -> 'metadata')::json]) -> 0
$$;

-- Does this statement fail with this SQLSTATE?
create function t_fails(p_sqlstate text, p_sql text) returns void language plpgsql as
$$
begin
    begin
        execute p_sql;
    exception when others then
        if sqlstate = p_sqlstate then
            return;
        end if;
        raise exception '% failed with % (%), not %', p_sql, sqlstate, sqlerrm, p_sqlstate;
    end;
    raise exception '% did not fail', p_sql;
end $$;
grant execute on function t_fails(text, text) to rdc_api;

create function t_state(p_exam bigint) returns text language sql security definer as
$$ select state from exam where id = p_exam $$;
grant execute on function t_state(bigint) to rdc_api;
