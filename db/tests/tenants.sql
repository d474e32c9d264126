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
    assert (select jsonb_array_length(exam_list(null, null, 100) -> 'exams')) = p_exams, 'list';
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
-- a contract that ends takes the sight with it
update contract set disabled_at = now() where hospital_id = org_id('H1');
set role rdc_api;
select t_as('reader1'), t_sees(0, 0, 0, 0);
reset role;
-- a disabled person or organisation has no session
update organisation set disabled_at = now() where code = 'C2';
select t_fails('RD401', 'select t_as(''doc2'')');
select t_fails('RD401', 'select t_as(''nobody'')');
