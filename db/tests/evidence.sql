-- A step as a device creates it; p_more is laid over.
create function t_step(p_uid text, p_study text, p_more jsonb default '{}') returns jsonb
language sql as
$$
    select mpps_create(org_id('C1'), device_id('CR1', null, null), p_uid, jsonb_build_object(
        '00080060', '{"vr": "CS", "Value": ["CT"]}'::jsonb,
        '00400241', '{"vr": "AE", "Value": ["CR1"]}'::jsonb,
        '00400244', '{"vr": "DA", "Value": ["20260131"]}'::jsonb,
        '00400245', '{"vr": "TM", "Value": ["1200"]}'::jsonb,
        '00400252', '{"vr": "CS", "Value": ["IN PROGRESS"]}'::jsonb,
        '00400253', '{"vr": "SH", "Value": ["S1"]}'::jsonb,
        '00400281', '{"vr": "SQ"}'::jsonb,
        '00400270', jsonb_build_object('vr', 'SQ', 'Value', jsonb_build_array(jsonb_build_object(
            '0020000D', jsonb_build_object('vr', 'UI', 'Value', jsonb_build_array(p_study)))))) || p_more)
$$;
-- The end of a step that lists these objects.
create function t_end(p_state text, p_uids text[]) returns jsonb language sql as
$$
    select jsonb_build_object('00400252', jsonb_build_object('Value', jsonb_build_array(p_state)),
        '00400250', '{"Value": ["20260131"]}'::jsonb, '00400251', '{"Value": ["1201"]}'::jsonb,
        '00400340', jsonb_build_object('Value', jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
            '0020000E', '{"Value": ["1.6.1"]}'::jsonb, '00181030', '{"Value": ["P"]}'::jsonb,
            '00081140', jsonb_build_object('Value', (select jsonb_agg(jsonb_build_object(
                '00081150', '{"Value": ["1.2.840.10008.5.1.4.1.1.2"]}'::jsonb,
                '00081155', jsonb_build_object('Value', jsonb_build_array(u))))
            from unnest(p_uids) u)))))))
$$;
create function t_set(p_uid text, p jsonb) returns jsonb language sql as
$$ select mpps_set(org_id('C1'), device_id('CR1', null, null), p_uid, p) $$;
create function t_exam(p_study text) returns exam language sql as
$$ select e.* from exam e join study s on s.id = e.study_id where study_uid = p_study and s.centre_id = org_id('C1') $$;
create function t_counts(p_study text) returns text language sql as
$$
    select concat_ws(' ', (t_exam(p_study)).state, c ->> 'grade', c ->> 'present', 'of', c ->> 'expected')
    from exam_completeness(t_exam(p_study)) c
$$;
create function t_status(p jsonb) returns text language sql as
$$ select upper(to_hex((p ->> 'status')::int)) || coalesce(' ' || (p -> 'tags' ->> 0), '') $$;

-- The rules of N-CREATE and N-SET.
do $$
declare
    v jsonb;
begin
    assert t_status(t_step('1.6.9', '1.6', '{"00400252": {"Value": ["COMPLETED"]}}')) = '106 00400252';
    assert t_status(t_step('1.6.9', '1.6', '{"00080060": {"vr": "CS"}}')) = '121 00080060';
    assert t_status(t_step('1.6.9', '1.6', '{"00400270": {"Value": [{}]}}')) = '120 0020000D';
    assert t_status(t_step('1.6.9', 'no uid')) = '106 0020000D';
    assert t_status(t_step('1.6.9', '1.6', t_end('IN PROGRESS', array['no uid']))) = '106 00081155';
    assert t_status(t_step('no uid', '1.6')) = '117';
    assert not exists (select from performed_step);
    assert t_status(t_step('1.6.9', '1.6')) = '0';
    assert t_status(t_step('1.6.9', '1.6')) = '111';
    assert t_step('', '1.6.0') ->> 'uid' like '2.25.%';
    assert t_status(t_set('1.6.8', '{}')) = '112';
    assert t_status(mpps_set(org_id('C2'), null, '1.6.9', '{}')) = '112', 'another centre''s';
    assert t_status(t_set('1.6.9', '{"00400253": {"Value": ["S2"]}}')) = '105 00400253', 'may not be set';
    assert t_status(t_set('1.6.9', '{"00400280": {"Value": ["x"]}}')) = '105 00400280', 'was not created';
    assert t_status(t_set('1.6.9', '{"00400281": {"Value": [{}]}}')) = '0';
    assert t_status(t_set('1.6.9', '{"00400252": {"Value": ["DONE"]}}')) = '106 00400252';
    assert t_status(t_set('1.6.9', '{"00400252": {}}')) = '121 00400252';
    assert t_status(t_set('1.6.9', '{"00400252": {"Value": ["COMPLETED"]}}')) = '120 00400250';
    assert t_status(t_set('1.6.9', t_end('COMPLETED', null) - '00400340')) = '120 00400340';
    assert t_status(t_set('1.6.9', t_end('COMPLETED', null)
        || '{"00400340": {"Value": [{"0020000E": {"Value": ["1.6.1"]}}]}}')) = '120 00181030';
    assert (select state from performed_step where sop_uid = '1.6.9') = 'IN PROGRESS';
    assert t_status(t_set('1.6.9', t_end('COMPLETED', array['1.6.1.1', '1.6.1.2']))) = '0';
    assert (select count(*) from performed_instance) = 2;
    v := t_set('1.6.9', t_end('COMPLETED', null));
    assert t_status(v) = '110' and (v ->> 'error_id')::int = x'A710'::int;
    assert (select count(*) from audit where action = 'mpps_complete') = 1;
end $$;

-- The list completes the exam, whether it comes before the objects or after.
do $$
begin
    assert t_object('1.6', '1.6.1.1') ->> 'outcome' = 'stored';
    assert t_counts('1.6') = 'arriving 1 of 2', t_counts('1.6');
    perform t_object('1.6', '1.6.1.2');
    assert t_counts('1.6') = 'waiting mpps 2 of 2', t_counts('1.6');
    -- late, while a step is open again
    perform t_object('1.7', '1.7.1.1'), t_step('1.7.9', '1.7'), t_object('1.7', '1.7.1.2');
    update exam set last_object_at = now() - interval '1 minute', quiet_seconds = 1;
    update evidence set weighed_at = now();
    perform exam_complete_due();
    assert t_counts('1.7') = 'arriving 2 of', t_counts('1.7');
    perform t_set('1.7.9', t_end('COMPLETED', array['1.7.1.1', '1.7.1.2', '1.7.1.3']));
    assert t_counts('1.7') = 'arriving 2 of 3';
    assert exam_completeness(t_exam('1.7')) -> 'missing' = '["1.7.1.3"]';
    -- given up at the device's limit, and complete after all
    update exam set last_object_at = now() - interval '299 seconds';
    update evidence set weighed_at = now(), at = now() - interval '299 seconds';
    perform exam_complete_due();
    assert t_counts('1.7') = 'arriving 2 of 3';
    update device set limit_seconds = 200 where aet = 'CR1';
    perform exam_complete_due();
    assert t_counts('1.7') = 'waiting given_up 2 of 3', t_counts('1.7');
    perform t_object('1.7', '1.7.1.3');
    assert t_counts('1.7') = 'waiting mpps 3 of 3', t_counts('1.7');
    -- a second step of the same study lists more
    perform t_step('1.7.8', '1.7'), t_set('1.7.8', t_end('COMPLETED', array['1.7.1.4']));
    assert t_counts('1.7') = 'waiting given_up 3 of 4', t_counts('1.7');
    perform t_object('1.7', '1.7.1.4');
    assert t_counts('1.7') = 'waiting mpps 4 of 4';
    -- an object that was listed and is another one's conflict counts once
    perform t_object('1.7', '1.7.1.4', jsonb_build_object('sha256', repeat('ab', 32)));
    assert t_counts('1.7') = 'waiting mpps 4 of 4';
end $$;

-- DISCONTINUED: with objects, as they are; without, withdrawn.
do $$
begin
    perform t_object('1.8', '1.8.1.1'), t_step('1.8.9', '1.8'), t_set('1.8.9', t_end('DISCONTINUED', null));
    assert t_counts('1.8') = 'waiting mpps 1 of', t_counts('1.8');
    perform t_object('1.9', '1.9.1.1');
    delete from job;
    delete from instance where sop_uid = '1.9.1.1';
    perform integrity_repair(); -- the exam counts its objects
    perform t_step('1.9.9', '1.9'), t_set('1.9.9', t_end('DISCONTINUED', null));
    assert t_state((t_exam('1.9')).id) = 'withdrawn';
    -- without any list only quiet time is left
    perform t_object('1.10', '1.10.1.1'), t_step('1.10.9', '1.10'), t_set('1.10.9', t_end('COMPLETED', null));
    assert t_counts('1.10') = 'arriving 1 of';
    update exam set last_object_at = now() - interval '1 minute', quiet_seconds = 1;
    perform exam_complete_due();
    assert t_counts('1.10') = 'waiting quiet 1 of';
end $$;

-- A step for two studies: each is complete with the objects of its own series, once it is known
-- of every series whose it is.
create function t_due() returns void language plpgsql as
$$
begin
    update evidence set weighed_at = now() - interval '1 hour';
    update exam set last_object_at = now() - interval '1 minute';
    perform exam_complete_due();
end $$;
create function t_series(p_study text, p_uids text[]) returns jsonb language sql as
$$
    select t_end('', p_uids) -> '00400340' -> 'Value' -> 0
        || jsonb_build_object('0020000E', jsonb_build_object('Value', jsonb_build_array(p_study || '.1')))
$$;
do $$
begin
    perform t_object('1.11', '1.11.1.1'), t_step('1.11.9', '1.11', '{"00400270": {"Value": [
        {"0020000D": {"Value": ["1.11"]}}, {"0020000D": {"Value": ["1.12"]}}]}}');
    assert (select count(*) from evidence where study_uid in ('1.11', '1.12') and open) = 2;
    perform t_set('1.11.9', t_end('COMPLETED', null) || jsonb_build_object('00400340', jsonb_build_object('Value',
        jsonb_build_array(t_series('1.11', array['1.11.1.1', '1.11.1.2']), t_series('1.12', array['1.12.1.1'])))));
    assert t_counts('1.11') = 'arriving 1 of 2', t_counts('1.11');
    perform t_object('1.11', '1.11.1.2');
    perform t_due();
    assert t_counts('1.11') = 'arriving 2 of 2', 'the other series may be of this study: ' || t_counts('1.11');
    perform t_object('1.12', '1.12.1.1');
    perform t_due();
    assert t_counts('1.11') = 'waiting mpps 2 of 2', t_counts('1.11');
    assert t_counts('1.12') = 'waiting mpps 1 of 1', t_counts('1.12');
    perform t_object('1.11', '1.11.1.3');
    assert t_counts('1.11') = 'waiting mpps 2 of 2', t_counts('1.11');
end $$;

-- The manifest of a sender: a list, which grows, or a count. Files that come one by one
-- are not complete by themselves then.
create function t_manifest(p_study text, p jsonb) returns jsonb language sql as
$$
    select manifest_take(org_id('C1'), jsonb_build_object('studies',
        jsonb_build_array(jsonb_build_object('study_uid', p_study) || p))) -> 'studies' -> 0
$$;
do $$
begin
    assert t_manifest('1.13', '{"instances": ["1.13.1.1", "1.13.1.2"]}') ->> 'exam' is null;
    perform t_object('1.13', '1.13.1.1', '{"single": true}');
    assert t_counts('1.13') = 'arriving 1 of 2', t_counts('1.13');
    assert (t_manifest('1.13', '{"instances": ["1.13.1.2"]}') ->> 'present')::int = 1, 'said again';
    perform t_object('1.13', '1.13.1.2', '{"single": true}');
    assert t_counts('1.13') = 'waiting manifest 2 of 2';
    perform t_manifest('1.13', '{"instances": ["1.13.1.3"]}');
    assert t_counts('1.13') = 'waiting given_up 2 of 3', 'one more was announced late';
    perform t_object('1.13', '1.13.1.3');
    assert t_counts('1.13') = 'waiting manifest 3 of 3';
    perform t_manifest('1.131', '{"count": 2}'), t_object('1.131', '1.131.1.1');
    assert t_counts('1.131') = 'arriving 1 of 2', t_counts('1.131');
    perform t_object('1.131', '1.131.1.2');
    assert t_counts('1.131') = 'waiting manifest 2 of 2', t_counts('1.131');
    -- given up at the limit, with the counts
    perform t_manifest('1.132', '{"count": 3}'), t_object('1.132', '1.132.1.1');
    update exam set last_object_at = now() - interval '1 hour' where id = (t_exam('1.132')).id;
    update evidence set at = now() - interval '1 hour' where study_uid = '1.132';
    perform exam_complete_due();
    assert t_counts('1.132') = 'waiting given_up 1 of 3', t_counts('1.132');
    -- the step knows better than who carries the files
    perform t_step('1.132.9', '1.132'), t_set('1.132.9', t_end('COMPLETED', array['1.132.1.1']));
    assert t_counts('1.132') = 'waiting mpps 1 of 1', t_counts('1.132');
    assert t_manifest('1.132', '{"count": 9}') ->> 'evidence' = 'mpps';
end $$;

-- An order follows its step, and leaves the worklist with it.
do $$
declare
    v_order bigint;
begin
    select (order_upsert(jsonb_build_object('centre_id', org_id('C1'), 'accession', 'A14', 'study_uid', '1.14',
        'modality', 'CT', 'patient', jsonb_build_object('id', 'P1', 'name', '测试一'),
        'scheduled_at', '2026-01-31T12:00:00+08:00')) ->> 'id')::bigint into v_order;
    perform t_step('1.14.9', '1.14');
    assert (select state from exam_order where study_uid = '1.14') = 'started';
    perform t_set('1.14.9', t_end('COMPLETED', array['1.14.1.1']));
    assert (select state from exam_order where study_uid = '1.14') = 'done';
end $$;

-- What a device gives up it may begin again; and images of it still answer their order.
do $$
declare
    v_study text;
begin
    foreach v_study in array array['1.146', '1.147', '1.148'] loop
        perform order_upsert(jsonb_build_object('centre_id', org_id('C1'), 'accession', 'A' || v_study,
            'study_uid', v_study, 'modality', 'CT', 'patient', jsonb_build_object('id', 'P1', 'name', '测试一')));
        perform t_step(v_study || '.8', v_study);
    end loop;
    -- one after the other
    perform t_set('1.146.8', t_end('DISCONTINUED', '{}'));
    assert (select state from exam_order where study_uid = '1.146') = 'cancelled';
    perform t_step('1.146.9', '1.146');
    assert (select state from exam_order where study_uid = '1.146') = 'started';
    perform t_set('1.146.9', t_end('COMPLETED', array['1.146.1.1']));
    assert (select state from exam_order where study_uid = '1.146') = 'done';
    -- the second begins before the first is given up
    perform t_step('1.147.9', '1.147'), t_set('1.147.8', t_end('DISCONTINUED', '{}'));
    assert (select state from exam_order where study_uid = '1.147') = 'started';
    perform t_set('1.147.9', t_end('DISCONTINUED', '{}'));
    assert (select state from exam_order where study_uid = '1.147') = 'cancelled';
    -- given up, and the images come afterwards
    perform t_set('1.148.8', t_end('DISCONTINUED', array['1.148.1.1'])), t_object('1.148', '1.148.1.1');
    assert (t_exam('1.148')).order_id = (select id from exam_order where study_uid = '1.148');
    assert (select state from exam_order where study_uid = '1.148') in ('cancelled', 'done');
    -- but one that its placer has cancelled is no longer expected
    perform order_upsert(jsonb_build_object('centre_id', org_id('C1'), 'accession', 'A1.149', 'study_uid', '1.149',
            'modality', 'CT', 'patient', jsonb_build_object('id', 'P1', 'name', '测试一'))),
        order_upsert(jsonb_build_object('centre_id', org_id('C1'), 'accession', 'A1.149', 'control', 'cancel')),
        t_object('1.149', '1.149.1.1');
    assert (t_exam('1.149')).order_id is null;
end $$;

-- Storage commitment: requests are kept once, checked, reported until answered.
create function t_commit(p_transaction text, p_uids text[]) returns jsonb language sql as
$$
    select commitment_request(org_id('C1'), device_id('CR1', null, null), '1.2.840.10008.1.20.1.1',
        jsonb_build_object('00081195', jsonb_build_object('Value', jsonb_build_array(p_transaction)),
            '00081199', jsonb_build_object('Value', (select jsonb_agg(jsonb_build_object(
                '00081150', '{"Value": ["1.2.840.10008.5.1.4.1.1.2"]}'::jsonb,
                '00081155', jsonb_build_object('Value', jsonb_build_array(u)))) from unnest(p_uids) u))))
$$;
do $$
declare
    v jsonb;
    w jsonb;
    c commitment;
begin
    perform t_object('1.15', '1.15.1.1'), t_object('1.15', '1.15.1.2');
    assert t_status(t_commit('no uid', array['1.15.1.1'])) = '115';
    assert t_status(t_commit('', array['1.15.1.1'])) = '115';
    assert t_status(t_commit('1.1', null)) = '115';
    assert t_status(t_commit('1.1', array['1.15.1.1', 'no uid'])) = '115';
    assert t_status(commitment_request(org_id('C1'), device_id('CR1', null, null), '1.2', '{}')) = '112';
    assert not exists (select from commitment);
    -- an object that is listed twice is one
    v := t_commit('1.1', array['1.15.1.1', '1.15.1.2', '1.15.1.1', '1.15.1.3']);
    assert v ->> 'status' = '0' and not v -> 'job' ? 'input';
    w := commitment_begin((v #>> '{job,subject}')::bigint);
    assert jsonb_array_length(w) = 3 and w #>> '{0,size}' = '100' and not w -> 2 ? 'location', w::text;
    assert commitment_begin((v #>> '{job,subject}')::bigint) = w, 'begun again by who takes over';
    assert t_status(t_commit('1.1', array['1.15.1.1'])) = '131';
    assert jsonb_array_length(job_claim('commitment', 9, 60)) = 0, 'who was asked has begun';
    -- checked, and told at once; that fails, so it is due for the callback
    v := commitment_checked((v #>> '{job,id}')::bigint, (v #>> '{job,subject}')::bigint,
        array[null, null, 274], array['', '', ''], 15);
    assert v #>> '{items,2,failure}' = '274' and v #> '{items,0,failure}' = 'null';
    select * into c from commitment;
    assert c.state = 'sending';
    perform commitment_done(c.id, c.lease_no, 'closed', 0, 60);
    assert commitment_claim(9, 60) = '[]', 'without a callback it waits';
    update device set callback_host = 'ct', callback_port = 104 where aet = 'CR1';
    v := commitment_claim(9, 60);
    assert v #>> '{0,host}' = 'ct' and v #>> '{0,aet}' = 'CR1' and v #>> '{0,called}' = 'RDC'
        and v #>> '{0,transaction}' = '1.1', v::text;
    assert commitment_claim(9, 60) = '[]';
    -- the worker dies; its answer comes too late
    update commitment set lease_until = now() - interval '1 second';
    v := commitment_claim(9, 60);
    perform commitment_done(c.id, c.lease_no + 1, null, 0, 60);
    assert (select state from commitment) = 'sending';
    perform commitment_done(c.id, (v #>> '{0,lease}')::bigint, null, 0, 60);
    assert (select state from commitment) = 'reported';
    -- too many
    v := t_commit('1.2', array['1.15.1.1']);
    perform commitment_checked((v #>> '{job,id}')::bigint, (v #>> '{job,subject}')::bigint, array[null]::int[], array[''], null);
    update commitment set attempts = 30 where state = 'due';
    assert commitment_claim(9, 60) = '[]';
    assert (select count(*) from commitment where state = 'dead') = 1;
    -- a check that kills its worker three times is reported as a failure
    v := t_commit('1.3', array['1.15.1.1']);
    update job set state = 'quarantined', lease_until = null where kind = 'commitment';
    assert commitment_claim(9, 60) #>> '{0,items,0,failure}' = '272';
end $$;

-- Its list is evidence, when its check begins; one study's, and not of a request for a single object.
create function t_listed(p_transaction text, p_uids text[]) returns void language sql as
$$ select commitment_begin((t_commit(p_transaction, p_uids) #>> '{job,subject}')::bigint) $$;
do $$
begin
    assert t_counts('1.15') = 'arriving 2 of 3', t_counts('1.15');
    perform t_object('1.15', '1.15.1.3');
    update exam set last_object_at = now() - interval '3 seconds', quiet_seconds = 3600
    where id = (t_exam('1.15')).id;
    update evidence set weighed_at = now();
    perform exam_complete_due();
    assert t_counts('1.15') = 'waiting commitment 3 of 3', t_counts('1.15');
    perform t_object('1.16', '1.16.1.1'), t_listed('1.4', array['1.16.1.1']);
    assert t_counts('1.16') = 'arriving 1 of';
    -- an object that no request lists: not all are
    perform t_object('1.16', '1.16.1.2'), t_listed('1.5', array['1.16.1.1', '1.16.1.2']),
        t_object('1.16', '1.16.1.3');
    update exam set last_object_at = now() - interval '3 seconds', quiet_seconds = 3600
    where id = (t_exam('1.16')).id;
    perform exam_complete_due();
    assert t_counts('1.16') = 'arriving 2 of 2', t_counts('1.16');
    perform t_listed('1.6', array['1.16.1.3', '1.16.1.2']);
    update exam set last_object_at = now() - interval '3 seconds' where id = (t_exam('1.16')).id;
    perform exam_complete_due();
    assert t_counts('1.16') = 'waiting commitment 3 of 3', t_counts('1.16');
end $$;

do $$
begin
    assert not exists (select from integrity_findings() where kind = 'exam_miscounted');
end $$;
