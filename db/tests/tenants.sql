-- What a person sees with the tenant filter left to row-level security alone:
-- the reads below have none of their own.
select t_object('1.3.1', '1.3.1.1.1', '{"single": true}');
select t_object('1.3.2', '1.3.2.1.1', jsonb_build_object('single', true, 'centre_id', org_id('C2')));
select t_object('1.3.3', '1.3.3.1.1', '{"single": true, "modality": "US"}');

create function t_sees(p_exams int, p_studies int, p_instances int, p_patients int) returns void
language plpgsql as
$$
begin
    assert (select count(*) from exam) = p_exams, 'exams';
    assert (select count(*) from study) = p_studies, 'studies';
    assert (select count(*) from series) = p_studies, 'series';
    assert (select count(*) from instance) = p_instances, 'instances';
    assert (select count(*) from object) = p_instances, 'objects';
    assert (select count(*) from patient) = p_patients, 'patients';
    assert (select count(*) from exam_event) >= p_exams, 'events';
    assert (select json_array_length(exam_list(null, null, 100) -> 'exams')) = p_exams, 'list';
end $$;
grant execute on function t_sees(int, int, int, int) to rdc_api;

select set_config('t.exam', (select min(id) from exam)::text, true);
set role rdc_api;
-- nobody has logged in
select t_sees(0, 0, 0, 0);
select t_as('doc1'), t_sees(2, 2, 2, 1);
select t_as('doc2'), t_sees(1, 1, 1, 1);
-- the hospitals: by contract and line only
select t_as('reader1'), t_sees(1, 1, 1, 1);
select t_as('reader3'), t_sees(1, 1, 1, 1);
-- and nothing can be written past the functions
select t_fails('42501', 'update exam set state = ''final''');
select t_fails('42501', 'insert into report default values');
select t_fails('42501', 'delete from audit');
select t_fails('42501', 'select * from person');
select t_fails('42501', 'select * from session');
select t_fails('42501', 'select ingest_store(''[]'')');
select t_fails('42501', 'select exam_move(e, ''sign'') from exam e');
-- what may not be seen does not exist
select t_fails('RD404', 'select exam_get(1000000)');
select t_as('doc2'), t_fails('RD404', format('select exam_get(%s)', current_setting('t.exam')));
select t_as('reader3'), t_fails('RD404', format('select exam_claim(%s, 60)', current_setting('t.exam')));
select t_as('doc1'), t_fails('RD403', format('select exam_claim(%s, 60)', current_setting('t.exam')));
reset role;
-- Row by row, for each organisation: what the policies let through is what the rule says
-- that they were made from, here written a second time, plainly. With orders, drafts, signed
-- reports, deliveries, an upload that was converted, an exam of no line and an ended contract.
select t_object('1.3.4', '1.3.4.1.1', '{"single": true, "modality": "ECG", "patient_id": "P4", "original":
    {"location": "t/original", "sha256": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
     "size": 5, "media": "application/x-scp"}}'),
    t_object('1.3.5', '1.3.5.1.1', '{"single": true, "modality": "XYZ", "patient_id": "P5"}');
select order_upsert(jsonb_build_object('centre_id', org_id(centre), 'accession', 'T' || n, 'modality', modality,
    'patient_id', 'PT' || n, 'patient_name', '测试二'))
from (values ('C1', 'CT', 1), ('C1', 'US', 2), ('C2', 'CT', 3), ('C2', 'US', 4)) x(centre, modality, n);
insert into contract (centre_id, hospital_id, line_id, disabled_at) values
    (org_id('C2'), org_id('H1'), line_id('ultrasound'), now()), (org_id('C2'), org_id('H2'), line_id('radiology'), null);
insert into destination (org_id, name, aet, host, port) values (org_id('C2'), 'c2-pacs', 'PACS2', '127.0.0.1', 104);
insert into draft (exam_id, author_id, lease_no, content)
select id, (select min(id) from person), 0, '{}' from exam where hospital_id is not null;
insert into object (location, sha256, size, media)
select 't/pdf/' || id, sha256('x'), 1, 'application/pdf' from exam;
insert into report (exam_id, version, state, content, canonical, content_sha256, objects_digest, damaged, author_id, signer_id,
    sr_uid, sr_series_uid, pdf_uid, pdf_series_uid, sr_object_id, pdf_object_id, pdf_file_id, rendered_at)
select e.id, 1, 'final', '{}', '{}', '', '', false, p.id, p.id, uid_new(), uid_new(), uid_new(), uid_new(), o.id, o.id, o.id, now()
from exam e, object o, (select min(id) as id from person) p where o.location = 't/pdf/' || e.id;
insert into delivery (report_id, destination_id)
select r.id, t.id from report r join exam e on e.id = r.exam_id join destination t on t.org_id = e.centre_id;

create function t_visible(o bigint) returns table (noun text, id bigint) language sql as
$$
    with may as (select k.centre_id, k.line_id from contract k where k.hospital_id = o and k.disabled_at is null),
    x as (select e.* from exam e where e.centre_id = o or exists (select from may m
        where m.centre_id = e.centre_id and m.line_id = e.line_id)),
    q as (select r.* from exam_order r where r.centre_id = o or exists (select from may m
        where m.centre_id = r.centre_id and m.line_id = r.line_id)),
    i as (select n.* from instance n join x on x.study_id = n.study_id),
    r as (select t.* from report t join x on x.id = t.exam_id),
    d as (select v.* from delivery v join r on r.id = v.report_id)
    select 'exam', x.id from x
    union select 'exam_event', v.id from exam_event v join x on x.id = v.exam_id
    union select 'study', x.study_id from x
    union select 'series', s.id from series s join x on x.study_id = s.study_id
    union select 'instance', i.id from i
    union select 'object', i.object_id from i union select 'object', i.original_id from i where i.original_id is not null
    union select 'object', r.pdf_file_id from r
    union select 'patient', p.id from patient p where p.issuer_id = o
    union select 'patient', s.patient_id from study s join x on x.study_id = s.id
    union select 'patient', q.patient_id from q
    union select 'exam_order', q.id from q
    union select 'exam_order_event', v.id from exam_order_event v join q on q.id = v.order_id
    union select 'draft', f.exam_id from draft f join x on x.id = f.exam_id where x.hospital_id = o
    union select 'report', r.id from r
    union select 'delivery', d.id from d
    union select 'destination', t.id from destination t where t.org_id = o or exists (select from d where d.destination_id = t.id)
    union select 'device', v.id from device v where v.org_id = o
    union select 'contract', c.id from contract c where o in (c.centre_id, c.hospital_id)
    union select 'organisation', o
    union select 'organisation', c.centre_id from contract c where c.hospital_id = o
    union select 'organisation', c.hospital_id from contract c where c.centre_id = o
$$;
create function t_seen() returns table (noun text, id bigint) language sql as
$$
    select 'exam', id from exam union all select 'exam_event', id from exam_event union all select 'study', id from study
    union all select 'series', id from series union all select 'instance', id from instance
    union all select 'object', id from object union all select 'patient', id from patient
    union all select 'exam_order', id from exam_order union all select 'exam_order_event', id from exam_order_event
    union all select 'draft', exam_id from draft union all select 'report', id from report
    union all select 'delivery', id from delivery union all select 'destination', id from destination
    union all select 'device', id from device union all select 'contract', id from contract
    union all select 'organisation', id from organisation
$$;
grant execute on function t_seen() to rdc_api;
do $$
declare
    o record;
    v_seen text[];
    v_visible text[];
begin
    for o in select organisation.id, code from organisation loop
        v_visible := array(select noun || ' ' || id from t_visible(o.id) order by 1);
        assert cardinality(v_visible) > 5, o.code;
        perform set_config('rdc.org', o.id::text, true);
        set local role rdc_api;
        v_seen := array(select noun || ' ' || id from t_seen() order by 1);
        reset role;
        assert v_seen = v_visible, format('%s sees too much: %s, too little: %s', o.code,
            array(select unnest(v_seen) except select unnest(v_visible)),
            array(select unnest(v_visible) except select unnest(v_seen)));
    end loop;
end $$;
-- a contract that ends takes the sight with it
update contract set disabled_at = now() where hospital_id = org_id('H1');
set role rdc_api;
select t_as('reader1'), t_sees(0, 0, 0, 0);
reset role;
-- a disabled person or organisation has no session
update organisation set disabled_at = now() where code = 'C2';
select t_fails('RD401', 'select t_as(''doc2'')');
select t_fails('RD401', 'select t_as(''nobody'')');
