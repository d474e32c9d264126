-- What our analysis finds in an ECG (docs/ECG.md): figures, statements, alarms and
-- what is better recorded again. A proposal that nobody has confirmed; it stands
-- apart from what the device says, which is in the object's metadata.

create table ecg_measurement (
    instance_id bigint primary key references instance,
    exam_id bigint not null references exam,
    figures jsonb not null,
    earlier_id bigint references instance, -- what figures -> 'comparison' compares with
    at timestamptz not null default now()
);
create index ecg_measurement_exam on ecg_measurement (exam_id);

-- Limits of alarms; operators change the values.
create table ecg_limit (
    name text primary key,
    value double precision not null,
    constraint ecg_limit_known check (name in ('pause_s', 'brady_bpm', 'vt_bpm', 'svt_bpm', 'af_bpm',
        'preexcited_rr_ms', 'st_limb_uv', 'st_chest_uv', 'qtc_ms', 'vf_s', 'torsades_qtc_ms', 'av_block_bpm',
        't_wave_uv')),
    constraint ecg_limit_range check (value > 0 and value < 100000)
);
insert into ecg_limit (name, value) values
    ('pause_s', 3), ('brady_bpm', 35), ('vt_bpm', 150), ('svt_bpm', 180), ('af_bpm', 180),
    ('preexcited_rr_ms', 250), ('st_limb_uv', 100), ('st_chest_uv', 300), ('qtc_ms', 550),
    ('vf_s', 3), ('torsades_qtc_ms', 480), ('av_block_bpm', 60), ('t_wave_uv', 1000);

insert into advice_code (code, text_en, text_zh) values
    ('ecg_damaged', 'the file is damaged, data are missing or doubtful: send it again, or record again',
        '文件损坏,数据缺失或不可靠,请重新发送或重采'),
    ('ecg_lead_flat', 'leads without a signal: check the electrodes', '导联无信号,请检查电极'),
    ('ecg_lead_saturated', 'leads out of range: check the electrodes', '导联信号饱和,请检查电极'),
    ('ecg_mains_noise', 'mains noise: consider recording again', '工频干扰明显,请考虑重采'),
    ('ecg_short', 'the recording is shorter than 10 s: record again', '记录不足10秒,请重采'),
    ('ecg_arms_reversed', 'possible: arm electrodes exchanged', '可能左右手电极接反,请核对后重采'),
    ('ecg_limb_foot_reversed', 'possible: an arm and a leg electrode exchanged', '可能上肢与下肢电极接反,请核对后重采'),
    ('ecg_chest_order', 'possible: chest electrodes in another order', '可能胸前电极顺序错误,请核对后重采'),
    ('ecg_gain', 'amplitudes out of range: check gain and calibration', '幅度超出正常范围,请检查增益与定标'),
    ('ecg_no_signal', 'no lead has a signal: look at the patient at once, then check electrodes and cable and record again',
        '所有导联均无信号:请立即查看患者,再检查电极与导联线后重采'),
    ('ecg_no_lead', 'no channel is an ECG that can be measured: where one was to be recorded, check leads and settings and record again',
        '无可测量的心电导联:如应记录心电图,请检查导联与设置后重采'),
    ('ecg_sampling_rate', 'sampled at a frequency that cannot be measured: set the recorder to 500 Hz (at least 250) and record again',
        '采样率不适合测量:请将设备采样率设为500Hz(至少250Hz)后重采'),
    ('ecg_not_measured', 'could not be measured: there are no figures and no alarms, it is to be read by hand',
        '未能自动测量:无测量值与危急提示,请人工判读');

do $$
declare
    t text;
begin
    foreach t in array array['ecg_measurement', 'ecg_limit'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)', t, current_user);
        execute format('create policy ingest_all on %I for select to rdc_ingest using (true)', t);
        execute format('grant select on %I to rdc_api, rdc_ingest', t);
    end loop;
end $$;
create policy api_read on ecg_limit for select to rdc_api using (true);
create policy api_read on ecg_measurement for select to rdc_api using (
    exists (select from exam e where e.id = ecg_measurement.exam_id));

-- PS3.6: the ECG waveforms, and the haemodynamic, which hold an ECG too
create function ecg_class(p_sop_class text) returns boolean language sql immutable as
$$
    select p_sop_class in ('1.2.840.10008.5.1.4.1.1.9.1.1', '1.2.840.10008.5.1.4.1.1.9.1.2',
        '1.2.840.10008.5.1.4.1.1.9.1.3', '1.2.840.10008.5.1.4.1.1.9.1.4', '1.2.840.10008.5.1.4.1.1.9.2.1')
$$;

-- The job that looks at what an object holds, once it is acknowledged: an ECG is measured, an image decoded where
-- there is a decoder (JPEG, JPEG-LS, JPEG 2000 part 1, RLE). Null: there is none.
create function look_kind(p_sop_class text, p_syntax text) returns text language sql immutable as
$$
    select case when ecg_class(p_sop_class) then 'measure'
        when p_syntax ~ '^1\.2\.840\.10008\.1\.2\.(4\.(5\d|6\d|70|80|81|90|91)|5)$' then 'pixels' end
$$;

-- As `rdc ecg measure --limits` takes them.
create function ecg_limits() returns text language sql stable as
$$
    select string_agg(name || '=' || value, ',' order by name) from ecg_limit
$$;

-- Whether the ECGs of these exams are of one person beyond doubt: of one patient of the centre that gave the ID, neither set
-- aside nor withdrawn. People who may be the same (patient_candidates) are not the same.
create function ecg_same_patient(a exam, b exam) returns boolean language plpgsql stable as
$$
begin
    return a.quarantined_at is null and b.quarantined_at is null
        and a.state not in ('withdrawn', 'retracted') and b.state not in ('withdrawn', 'retracted')
        and exists (select from study s join study t on t.patient_id = s.patient_id join patient p on p.id = s.patient_id
            where s.id = a.study_id and t.id = b.study_id and p.patient_id is not null);
end $$;

-- When a study's recording was made, as its device says, else when it came.
create function ecg_recorded(s study, i instance) returns timestamp language sql stable as
$$
    select coalesce(s.study_date + coalesce(s.study_time, time '00:00'), i.received_at::timestamp)
$$;

-- The newest measured ECG of the patient that was recorded before this one; null: there is none.
create function ecg_earlier(p_instance bigint) returns jsonb language plpgsql stable as
$$
begin
    return (select jsonb_build_object('instance', x.id, 'location', o.location)
        from instance i join study s on s.id = i.study_id join exam e on e.study_id = s.id
            join study t on t.patient_id = s.patient_id join exam y on y.study_id = t.id
            join instance x on x.study_id = t.id join ecg_measurement m on m.instance_id = x.id
            join object o on o.id = x.object_id
        where i.id = p_instance and x.sop_uid <> i.sop_uid and x.variant = 0 and ecg_same_patient(e, y)
            and not m.figures ? 'error'
            and (ecg_recorded(t, x), x.id) < (ecg_recorded(s, i), i.id)
        order by ecg_recorded(t, x) desc, x.id desc limit 1);
end $$;

-- The file to be measured, the limits of alarms, and what to compare with.
create function measure_input(p_instance bigint) returns jsonb language plpgsql stable as
$$
begin
    return (select jsonb_build_object('location', o.location, 'limits', ecg_limits(), 'earlier', ecg_earlier(p_instance))
        from instance i join object o on o.id = i.object_id where i.id = p_instance);
end $$;

-- Keeps the figures, says what is better recorded again, and raises an exam with an alarm.
create function ecg_measured(i instance, p_exam bigint, p jsonb, p_earlier bigint) returns void language plpgsql as
$$
declare
    e exam;
    v_retake jsonb := p -> 'retake';
begin
    if p ? 'error' and exists (select from ecg_measurement m where m.instance_id = i.id and not m.figures ? 'error') then
        return; -- of the same bytes more was found before, and it still holds
    end if;
    insert into ecg_measurement (instance_id, exam_id, figures, earlier_id) values (i.id, p_exam, p, p_earlier)
    on conflict (instance_id) do update set figures = excluded.figures, earlier_id = excluded.earlier_id, at = now();
    if i.variant > 0 then
        return; -- another one is shown in its place
    end if;
    if not p ? 'error' then
        update exam_advice set resolved_at = now()
        where exam_id = p_exam and instance_id = i.id and code = 'ecg_not_measured' and resolved_at is null;
    end if;
    if v_retake <> '[]' then
        insert into exam_advice (exam_id, instance_id, device_id, code, detail)
        select p_exam, i.id, i.device_id, r ->> 'code', r ->> 'figures' from jsonb_array_elements(v_retake) r
            join advice_code c on c.code = r ->> 'code'
        on conflict on constraint exam_advice_once do nothing;
    end if;
    if p -> 'alarms' <> '[]' then
        select * into e from exam where id = p_exam for update;
        if e.state not in ('final', 'retracted', 'withdrawn') then
            update exam set priority = 'stat' where id = e.id;
            insert into exam_event (exam_id, event, from_state, to_state, detail)
            values (e.id, 'ecg_alarm', e.state, e.state, jsonb_build_object('alarms', p -> 'alarms',
                'priority_before', e.priority));
        end if;
    end if;
end $$;

-- What is kept of an ECG that could not be measured, for another reason than its file.
create function ecg_unmeasured(p_cause text) returns jsonb language sql stable as
$$
    select jsonb_build_object('confirmed', false, 'error', p_cause, 'statements', '[]'::jsonb, 'alarms', '[]'::jsonb,
        'retake', jsonb_build_array(jsonb_build_object('code', code, 'text_en', text_en, 'text_zh', text_zh,
            'figures', p_cause)))
    from advice_code where code = 'ecg_not_measured'
$$;

-- What was measured of these ECGs, or found of these images: JSON, or '!' and why there is none. p_earlier: what
-- each was compared with, 0 = nothing. In the order in which rows are locked everywhere.
create function measure_done(p_jobs bigint[], p_instances bigint[], p_figures text[], p_earlier bigint[]) returns void
language plpgsql security definer set search_path = public as
$$
declare
    v record;
    v_instance instance;
begin
    for v in select m.instance, m.figures, nullif(m.earlier, 0) as earlier, x.exam
        from unnest(p_instances, p_figures, p_earlier) m(instance, figures, earlier) cross join lateral (
            select s.study_uid, i.sop_uid, e.id as exam
            from instance i join study s on s.id = i.study_id join exam e on e.study_id = s.id
            where i.id = m.instance offset 0) x
        order by x.study_uid, x.sop_uid loop
        select * into v_instance from instance where id = v.instance;
        begin
            if not ecg_class(v_instance.sop_class) then
                perform advice_damage(v.instance, 'image_damaged', v.figures::jsonb ->> 'damage')
                where v.figures like '{"damage"%';
                continue;
            end if;
            perform ecg_measured(v_instance, v.exam, case when v.figures like '!%' then ecg_unmeasured(substr(v.figures, 2))
                else v.figures::jsonb end, v.earlier);
        exception
            when data_exception or integrity_constraint_violation then
                raise warning 'figures of instance % cannot be kept: %', v.instance, sqlerrm;
        end;
    end loop;
    delete from job where id = any (p_jobs);
end $$;

-- What changed since the earlier ECG; null where there is none, where the two turned out to be of two patients,
-- and where the person may not see the exam of the earlier one.
create function ecg_comparison(m ecg_measurement) returns jsonb language plpgsql stable as
$$
begin
    return (select (m.figures -> 'comparison') || jsonb_build_object('instance', x.sop_uid, 'exam', y.id,
            'recorded_at', ecg_recorded(t, x))
        from instance x join study t on t.id = x.study_id join exam y on y.study_id = t.id
            join exam e on e.id = m.exam_id
        where x.id = m.earlier_id and ecg_same_patient(e, y));
end $$;

-- Where the earlier ECG lies that a sheet of this one is to be compared with; null as above.
create function ecg_compared_file(p_uid text) returns text language plpgsql stable as
$$
begin
    return (select (select o.location from instance x join object o on o.id = x.object_id
            join ecg_measurement m on m.earlier_id = x.id where m.instance_id = i.id and ecg_comparison(m) is not null)
        from instance i where i.sop_uid = p_uid order by i.variant, i.id limit 1);
end $$;

-- Of an exam's recordings, the oldest first.
create function exam_ecg(p_exam bigint) returns jsonb language plpgsql stable as
$$
begin
    return (select coalesce(jsonb_agg(m.figures || jsonb_build_object('instance', i.sop_uid, 'at', m.at,
            'comparison', ecg_comparison(m)) order by m.instance_id), '[]')
        from ecg_measurement m join instance i on i.id = m.instance_id where m.exam_id = p_exam and i.variant = 0);
end $$;
grant execute on function exam_ecg(bigint), ecg_compared_file(text), ecg_comparison(ecg_measurement), ecg_same_patient(exam, exam),
    ecg_recorded(study, instance) to rdc_api;
grant execute on function ecg_limits(), measure_done(bigint[], bigint[], text[], bigint[]) to rdc_ingest;
