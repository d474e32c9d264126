-- Two sessions at once, each as one call: t_first() changes something and commits when it
-- sees that t_second() waits for it, which therefore looked before and writes after.
select t_object('1.5.1', '1.5.1.1.1');
insert into hl7_sender (org_id, app, facility) values (org_id('C1'), 'HIS', 'RACE');

create function t_order(p_control text, p_placer text, p_patient text) returns jsonb language sql as
$$
    select hl7_receive(hl7_sender_id('HIS^RACE'), p_control, '\x01', jsonb_build_array(jsonb_build_object(
        'control', '', 'placer_number', p_placer, 'patient_id', p_patient, 'patient_name', 'TEST^NINE', 'modality', 'CT')))
$$;

create function t_until(p_query text) returns void language plpgsql as
$$
declare
    v boolean;
begin
    for i in 1..1500 loop
        execute 'select exists (' || p_query || ')' into v;
        exit when v;
        perform pg_sleep(0.02);
    end loop;
    assert v, 'waited half a minute for: ' || p_query;
end $$;

create function t_due(p_uid text, p_since interval) returns void language sql as
$$
    insert into commitment (centre_id, device_id, transaction_uid, sop_classes, sop_uids, state, next_at)
    values (org_id('C1'), device_id('CR1', null, null), p_uid, '{}', '{}', 'due', now() - p_since)
$$;

update device set callback_host = 'ct', callback_port = 104 where aet = 'CR1';
select t_due('1.22', '1 minute');

create function t_first(p_what text) returns void language plpgsql as
$$
declare
    e exam;
begin
    if p_what = 'completed' then
        -- completed, read and signed, before an object that is on its way
        select x.* into e from exam x join study s on s.id = x.study_id where study_uid = '1.5.1';
        e := exam_complete(e, 'quiet');
        e := exam_move(e, 'claim', null, (select id from person where login = 'reader1'), 60);
        perform exam_move(e, 'sign');
    elsif p_what = 'ordered' then
        perform t_order('M1', 'RPL1', 'P9');
    elsif p_what = 'named' then
        perform t_object('1.5.3', '1.5.3.1.1', '{"patient_id": "P9", "patient_name": "TEST^NINE"}');
    elsif p_what = 'listed' then
        -- not waited for, but not seen either
        perform t_object('1.5.4', '1.5.4.1.1', '{"quiet": 15}'), pg_advisory_xact_lock(1),
            t_until('select from evidence where study_uid = ''1.5.4''');
        return;
    elsif p_what = 'claimed' then
        assert jsonb_array_length(commitment_claim(1, 60)) = 1;
        perform pg_advisory_xact_lock(1), t_until('select from commitment where transaction_uid = ''1.23''');
        return;
    else
        perform t_object('1.5.2', '1.5.2.1.1');
    end if;
    perform pg_advisory_xact_lock(1);
    perform t_until('select from pg_locks where not granted');
end $$;

create function t_second(p_what text) returns void language plpgsql as
$$
declare
    v jsonb;
begin
    perform t_until('select from pg_locks where locktype = ''advisory'' and granted');
    if p_what = 'completed' then
        v := t_object('1.5.1', '1.5.1.1.2', '{"single": true}');
    elsif p_what in ('ordered', 'named') then
        v := t_order('M1', 'RPL1', 'P9');
        assert v ->> 'code' = 'AA', v;
        return;
    elsif p_what = 'listed' then
        perform manifest_take(org_id('C1'),
            '{"studies": [{"study_uid": "1.5.4", "instances": ["1.5.4.1.1"]}]}');
        return;
    elsif p_what = 'claimed' then
        -- it is due before the other, which is just being claimed
        perform t_due('1.23', '2 minutes');
        assert commitment_claim(1, 60) = '[]', 'two reports to one device at once';
        return;
    else
        v := t_object('1.5.2', '1.5.2.1.2');
    end if;
    assert v ->> 'outcome' = 'stored', v;
end $$;

create function t_events(p_study text) returns text[] language sql as
$$
    select array_agg(event order by v.id) from exam_event v join exam e on e.id = v.exam_id
        join study s on s.id = e.study_id where study_uid = p_study
$$;

-- The object that came after the report has opened the exam again; an order is there once; and
-- what a manifest lists completes its exam, also when it was being written when that came.
create function t_ended(p_what text) returns void language plpgsql as
$$
declare
    v_study text := case p_what when 'completed' then '1.5.1' else '1.5.2' end;
    v_events text[] := case p_what when 'completed' then '{arrive,complete,claim,sign,late}'::text[] else '{arrive}' end;
begin
    if p_what in ('ordered', 'named') then
        assert (select array_agg(placer_number || ' ' || p.patient_id) from exam_order o join patient p
            on p.id = o.patient_id) = '{RPL1 P9}';
        return;
    elsif p_what = 'claimed' then
        assert (select array_agg(transaction_uid || ' ' || state order by 1) from commitment)
            = '{1.22 sending,1.23 due}';
        return;
    elsif p_what = 'listed' then
        update exam set last_object_at = last_object_at - interval '20 seconds';
        update evidence set weighed_at = weighed_at - interval '20 seconds', at = at - interval '20 seconds';
        perform exam_complete_due();
        assert (select e.state || ' ' || e.grade from exam e join study s on s.id = e.study_id
            where study_uid = '1.5.4') = 'waiting manifest';
        return;
    end if;
    assert t_events(v_study) = v_events, array_to_string(t_events(v_study), ' ');
    assert (select array_agg(state || ' ' || e.objects || ' ' || exam_objects(s.id))
        from exam e join study s on s.id = e.study_id where study_uid = v_study)
        = array[case p_what when 'completed' then 'waiting' else 'arriving' end || ' 2 2'];
end $$;
