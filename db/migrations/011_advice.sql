-- What is looked at once an object is acknowledged: advice before the patient
-- leaves, and objects that came again.
--
-- Retake before the patient leaves: checks that need no opinion, run when the
-- metadata of an object is there and when an exam is complete. What they find is
-- told on the exam, counted for the device, and taken back when it is no longer
-- so. Nothing waits for it and nothing is refused because of it.

create table advice_code (
    code text primary key,
    text_en text not null,
    text_zh text not null,
    constraint advice_code_form check (code ~ '^[a-z_]{1,40}$')
);
insert into advice_code (code, text_en, text_zh) values
    ('body_part_missing', 'the image does not say which part of the body it shows', '图像未标明检查部位'),
    ('laterality_missing', 'the image does not say whether it shows the left or the right side', '图像未标明左右侧'),
    ('exposure_low', 'the exposure is far below its target: the image may be too noisy to read',
        '曝光量远低于目标值,图像噪声可能过大,请考虑重拍'),
    ('exposure_high', 'the exposure is far above its target: dark parts may be lost', '曝光量远高于目标值,图像可能过曝'),
    ('order_modality_mismatch', 'the order asks for another kind of examination', '检查类型与申请单不符'),
    ('order_body_part_mismatch', 'the order asks for another part of the body', '检查部位与申请单不符'),
    ('order_laterality_mismatch', 'the order asks for the other side', '左右侧与申请单不符'),
    ('object_damaged', 'the file breaks off or cannot be read as a whole: send it again', '文件不完整或损坏,请重新发送'),
    ('image_damaged', 'the image cannot be decoded, or part of it is missing: send it again, else take it again',
        '图像无法解码或不完整,请重新发送,仍然如此则请重拍'),
    ('views_missing', 'there are fewer images than the order asks for', '图像数少于申请单要求的体位数');

-- What stands on an exam; instance_id null: the exam as a whole. A row that no
-- longer holds is kept for the device's count.
create table exam_advice (
    id bigint generated always as identity primary key,
    exam_id bigint not null references exam,
    instance_id bigint references instance,
    device_id bigint references device,
    code text not null references advice_code,
    detail text,
    at timestamptz not null default now(),
    resolved_at timestamptz,
    constraint exam_advice_once unique nulls not distinct (exam_id, instance_id, code)
);
create index exam_advice_device on exam_advice (device_id, at);

-- Which words of an order, or defined terms of Body Part Examined (PS3.16
-- Annex L), name which region; operators add their own. Words in ASCII count as
-- whole words only.
create table body_part_word (
    word text not null,
    region text not null,
    primary key (word, region),
    constraint body_part_word_form check (word = upper(word) and length(word) between 1 and 40)
);
insert into body_part_word (word, region)
select w, region from (values
    ('head', '{头,颅,脑,鼻,眼眶,颌,乳突,HEAD,SKULL,BRAIN,SINUS,NASAL,ORBIT,MANDIBLE,MAXILLA,JAW,FACE,ZYGOMA,TMJ}'),
    ('neck', '{颈部,咽,喉,NECK,PHARYNX,LARYNX}'),
    ('chest', '{胸,肺,肋,心脏,CHEST,THORAX,LUNG,RIB,RIBS,STERNUM,HEART}'),
    ('abdomen', '{腹,泌尿,肾,KUB,ABDOMEN,KIDNEY,BLADDER}'),
    ('pelvis', '{骨盆,盆腔,髋,骶髂,PELVIS,HIP,SIJOINT}'),
    ('hip', '{髋,骨盆,HIP,PELVIS}'),
    ('cspine', '{颈椎,脊柱,全脊柱,CSPINE,SPINE}'),
    ('tspine', '{胸椎,脊柱,全脊柱,TSPINE,SPINE}'),
    ('lspine', '{腰椎,腰骶,脊柱,全脊柱,LSPINE,LSSPINE,SPINE}'),
    ('sacrum', '{骶,尾骨,SSPINE,LSSPINE,SACRUM,COCCYX}'),
    ('shoulder', '{肩,锁骨,SHOULDER,SCAPULA,CLAVICLE}'),
    ('upper arm', '{肱骨,上臂,ARM,HUMERUS}'),
    ('elbow', '{肘,ELBOW}'),
    ('forearm', '{前臂,尺桡骨,桡骨,尺骨,FOREARM,RADIUS,ULNA}'),
    ('wrist', '{腕,WRIST}'),
    ('hand', '{手部,左手,右手,双手,手指,拇指,掌骨,手正,HAND,FINGER,THUMB}'),
    ('thigh', '{股骨,大腿,THIGH,FEMUR}'),
    ('knee', '{膝,髌,KNEE,PATELLA}'),
    ('leg', '{胫,腓,小腿,LEG,TIBIA,FIBULA,TIBFIB}'),
    ('ankle', '{踝,ANKLE}'),
    ('foot', '{足,跟骨,趾,FOOT,TOE,CALCANEUS,HEEL}'),
    ('breast', '{乳腺,乳房,BREAST}')) as x(region, words), unnest(words::text[]) as w;

-- How many images an order means at least, by its procedure code or a phrase of
-- its description; the longest phrase counts. Operators add their own.
create table view_rule (
    phrase text primary key,
    views int not null,
    constraint view_rule_form check (phrase = upper(phrase) and length(phrase) between 1 and 64),
    constraint view_rule_range check (views between 1 and 20)
);
insert into view_rule (phrase, views) values
    ('正侧位', 2), ('正、侧位', 2), ('正位、侧位', 2), ('正斜位', 2), ('双斜位', 2), ('正侧双斜位', 4),
    ('正侧位+双斜位', 4), ('过伸过屈位', 2), ('三位', 3), ('四位', 4), ('PA AND LATERAL', 2),
    ('AP AND LATERAL', 2), ('AP/LAT', 2), ('PA/LAT', 2), ('2 VIEWS', 2), ('3 VIEWS', 3), ('4 VIEWS', 4);

do $$
declare
    t text;
begin
    foreach t in array array['advice_code', 'exam_advice', 'body_part_word', 'view_rule'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy owner_all on %I to %I using (true) with check (true)', t, current_user);
        execute format('create policy ingest_all on %I for select to rdc_ingest using (true)', t);
        execute format('grant select on %I to rdc_api, rdc_ingest', t);
    end loop;
end $$;
create policy api_read on advice_code for select to rdc_api using (true);
create policy api_read on exam_advice for select to rdc_api using (
    exists (select from exam e where e.id = exam_advice.exam_id)
    or exists (select from device d where d.id = exam_advice.device_id));

-- ---------------------------------------------------------------- the checks

-- The first value of an attribute of DICOM JSON as a number; null when it is none.
create function dicom_number(m jsonb, p_tag text) returns double precision language plpgsql immutable as
$$
declare
    v text := dicom_text(m, p_tag);
begin
    return case when length(v) <= 34 and v ~ '^[-+]?\d+(\.\d+)?([eE][-+]?\d\d?)?$' then v::double precision end;
end $$;

-- L, R, B, or null: Laterality, Image Laterality, or the modifier of the
-- Anatomic Region (PS3.16 CID 244, in SNOMED CT or SNOMED RT).
create function dicom_side(m jsonb) returns text language plpgsql immutable as
$$
declare
    v text := upper(coalesce(dicom_text(m, '00200062'), dicom_text(m, '00200060'),
        m #>> '{00082218,Value,0,00082220,Value,0,00080100,Value,0}'));
begin
    return case when v in ('L', 'R', 'B') then v
        when v in ('7771000', 'G-A101') then 'L' when v in ('24028007', 'G-A100') then 'R'
        when v in ('51440002', 'G-A102') then 'B' end;
end $$;

create function body_regions(p_text text) returns text[] language sql stable as
$$
    select coalesce(array_agg(distinct region), '{}') from body_part_word
    where case when word ~ '^[A-Z]+$' then upper(p_text) ~ ('\m' || word || '\M')
        else position(word in p_text) > 0 end
$$;

-- One projection image for itself. Codes with a detail each, as an object.
create function advice_radiography(m jsonb) returns jsonb language plpgsql stable as
$$
declare
    v_part text := upper(dicom_text(m, '00180015'));
    v_index double precision := dicom_number(m, '00181413');
    v_exposure double precision := dicom_number(m, '00181411');
    v_target double precision := dicom_number(m, '00181412');
    v jsonb := '{}';
begin
    if v_part is null and m #> '{00082218,Value,0}' is null then
        v := v || '{"body_part_missing": null}';
    end if;
    -- PS3.16 Annex L: these come in pairs
    if dicom_side(m) is null and (dicom_text(m, '00080060') = 'MG' or v_part in ('ANKLE', 'ARM', 'BREAST',
        'CALCANEUS', 'CLAVICLE', 'ELBOW', 'FEMUR', 'FIBULA', 'FINGER', 'FOOT', 'FOREARM', 'HAND', 'HEEL',
        'HUMERUS', 'KNEE', 'LEG', 'PATELLA', 'RADIUS', 'SCAPULA', 'SHOULDER', 'THIGH', 'THUMB', 'TIBFIB',
        'TIBIA', 'TOE', 'ULNA', 'WRIST')) then
        v := v || jsonb_build_object('laterality_missing', v_part);
    end if;
    -- IEC 62494-1: DI = 10 log10(EI / target); AAPM TG 116, Table III: beyond ±3
    if v_index is null and v_exposure > 0 and v_target > 0 then
        v_index := 10 * log(v_exposure / v_target);
    end if;
    if abs(v_index) > 3 then
        v := v || jsonb_build_object(case when v_index < 0 then 'exposure_low' else 'exposure_high' end,
            'deviation index ' || round(v_index::numeric, 1));
    end if;
    return v;
end $$;

-- The order of an exam: as matched, else by the UID or number that its objects have.
create function exam_order_of(e exam) returns exam_order language plpgsql stable as
$$
declare
    s study;
    o exam_order;
begin
    select * into s from study where id = e.study_id;
    select * into o from exam_order x where x.id = e.order_id and x.centre_id = s.centre_id;
    if o.id is null then
        select * into o from exam_order x where x.study_uid = s.study_uid and x.centre_id + 0 = s.centre_id;
    end if;
    if o.id is null then
        select * into o from exam_order x where x.accession = s.accession and x.centre_id + 0 = s.centre_id;
    end if;
    return o;
end $$;

-- An image against its order: only where both say something.
create function advice_order(o exam_order, m jsonb) returns jsonb language plpgsql stable as
$$
declare
    v_projection text[] := '{CR,DX,RG}'; -- the same examination on another machine
    v_modality text := dicom_text(m, '00080060');
    v_wanted text[] := body_regions(o.description);
    v_shown text[] := body_regions(dicom_text(m, '00180015'));
    v_left boolean := coalesce(o.description ~* '左|\mleft\M', false);
    v_right boolean := coalesce(o.description ~* '右|\mright\M', false);
    v_side text := dicom_side(m);
    v jsonb := '{}';
begin
    if v_modality <> o.modality and not (v_modality = any (v_projection) and o.modality = any (v_projection)) then
        v := v || jsonb_build_object('order_modality_mismatch', format('%s, not %s', v_modality, o.modality));
    end if;
    if v_wanted <> '{}' and v_shown <> '{}' and not v_wanted && v_shown then
        v := v || jsonb_build_object('order_body_part_mismatch', dicom_text(m, '00180015'));
    end if;
    if v_left <> v_right and not coalesce(o.description ~* '双|\m(both|bilateral)\M', false)
        and v_side in ('L', 'R') and (v_side = 'L') <> v_left then
        v := v || jsonb_build_object('order_laterality_mismatch', v_side);
    end if;
    return v;
end $$;

-- Fewer images than the order means, once no more are awaited.
create function advice_views(e exam, o exam_order) returns void language plpgsql as
$$
declare
    v_wanted int;
    v_have int;
begin
    select views into v_wanted from view_rule
    where phrase = upper(o.procedure_code) or position(phrase in upper(o.description)) > 0
    order by phrase = upper(o.procedure_code) desc nulls last, length(phrase) desc limit 1;
    select count(*) into v_have from instance i join series r on r.id = i.series_id
    where i.study_id = e.study_id and not i.own and i.variant = 0
        and r.modality in ('CR', 'DX', 'RG', 'MG', 'IO', 'PX');
    if v_have > 0 and v_have < v_wanted and e.state <> 'arriving' then
        insert into exam_advice (exam_id, device_id, code, detail)
        values (e.id, e.device_id, 'views_missing', format('%s of %s', v_have, v_wanted))
        on conflict on constraint exam_advice_once do update set detail = excluded.detail, resolved_at = null;
    elsif v_have >= v_wanted then
        update exam_advice set resolved_at = now()
        where exam_id = e.id and code = 'views_missing' and resolved_at is null;
    end if;
end $$;

create function advice_check(i instance, e exam) returns void language plpgsql as
$$
declare
    o exam_order;
    v_metadata jsonb := i.metadata;
    v_modality text := dicom_text(v_metadata, '00080060');
    v jsonb := '{}';
begin
    if i.own or i.variant > 0 or coalesce(v_modality, 'SR') in ('SR', 'KO', 'PR', 'DOC', 'AU') then
        return;
    end if;
    if v_modality in ('CR', 'DX', 'RG', 'MG') then
        v := advice_radiography(v_metadata);
    end if;
    o := exam_order_of(e);
    if o.id is not null then
        v := v || advice_order(o, v_metadata);
        perform advice_views(e, o);
    end if;
    if v <> '{}' then
        insert into exam_advice (exam_id, instance_id, device_id, code, detail)
        select e.id, i.id, i.device_id, key, value from jsonb_each_text(v)
        on conflict on constraint exam_advice_once do nothing;
    end if;
end $$;

-- An upload of one file is complete before its metadata is read, which then asks.
create function exam_completed() returns trigger
language plpgsql security definer set search_path = public as
$$
declare
    o exam_order := exam_order_of(new);
begin
    if o.id is not null then
        perform advice_views(new, o);
    end if;
    return null;
end $$;
create trigger exam_completed after update of state on exam for each row
    when (old.state = 'arriving' and new.state <> 'arriving' and new.grade <> 'single')
    execute function exam_completed();

-- What of an object is damaged, and why.
create function advice_damage(p_instance bigint, p_code text, p_why text) returns void language sql as
$$
    insert into exam_advice (exam_id, instance_id, device_id, code, detail)
    select e.id, i.id, i.device_id, p_code, left(p_why, 500)
    from instance i join exam e on e.study_id = i.study_id
    where i.id = p_instance and not i.own
    on conflict on constraint exam_advice_once do nothing
$$;

-- An object that cannot be read as a whole. An ECG says so when it is measured.
create function object_broken(p_instance bigint, p_why text) returns void
language plpgsql security definer set search_path = public as
$$
begin
    perform advice_damage(id, 'object_damaged', p_why) from instance where id = p_instance and not ecg_class(sop_class);
end $$;
grant execute on function object_broken(bigint, text) to rdc_ingest;

-- Whether something of what is shown is damaged, as advice or a conflict over the content says.
create function exam_damaged(e exam) returns boolean language plpgsql stable as
$$
begin
    return exists (select from exam_advice a join instance i on i.id = a.instance_id
            where a.exam_id = e.id and a.code in ('object_damaged', 'image_damaged', 'ecg_damaged') and a.resolved_at is null and i.variant = 0)
        or exists (select from jsonb_array_elements(e.conflicts) c
            join instance i on i.study_id = e.study_id and i.sop_uid = c ->> 'sop_uid' and i.variant = 0
            join object o on o.id = i.object_id
            where c ->> 'cause' = 'content' and c -> 'damaged' ? encode(o.sha256, 'hex'));
end $$;

-- ---------------------------------------------------------------- the job

-- Queues those of these instances about which there may be something to say, once
-- their metadata are there: from the start, or by metadata_done(). Whether there are any.
create function check_wanted(p_instances bigint[]) returns boolean language plpgsql as
$$
declare
    v bigint[] := array(select i.id
        from instance i join series r on r.id = i.series_id join study s on s.id = i.study_id
            join exam e on e.study_id = i.study_id
        where i.id = any (p_instances) and i.metadata is not null and not i.own
            and (i.variant > 0 or r.modality in ('CR', 'DX', 'RG', 'MG') or e.order_id is not null
                or exists (select from exam_order o where o.centre_id = s.centre_id and o.study_uid = s.study_uid)
                or exists (select from exam_order o where o.centre_id = s.centre_id and o.accession = s.accession)
                or exists (select from instance x where x.sop_uid = i.sop_uid and x.centre_id <> i.centre_id)));
begin
    if v <> '{}' then
        insert into job (kind, subject_id, priority)
        select 'check', i.id, e.priority from instance i join exam e on e.study_id = i.study_id
        where i.id = any (v)
        on conflict do nothing;
    end if;
    return v <> '{}';
end $$;

-- What is to be looked at; other: the object that is shown under this UID.
create function check_input(p_instance bigint) returns jsonb language plpgsql stable as
$$
begin
    return (select jsonb_strip_nulls(jsonb_build_object('location', o.location, 'other', (
            select b.location from instance x join object b on b.id = x.object_id
            where x.sop_uid = i.sop_uid and x.centre_id = i.centre_id and x.variant = 0 and i.variant > 0
                and x.study_id = i.study_id and not x.own)))
        from instance i join object o on o.id = i.object_id where i.id = p_instance);
end $$;

-- The object is the one that was here already, in another encoding: no conflict,
-- but noted.
create function check_same(i instance, e exam) returns void language plpgsql as
$$
declare
    v_sha text := (select encode(sha256, 'hex') from object where id = i.object_id);
begin
    update exam set conflicts = (select coalesce(jsonb_agg(c order by n), '[]')
        from jsonb_array_elements(conflicts) with ordinality x(c, n)
        where not (c ->> 'cause' = 'content' and c ->> 'sop_uid' = i.sop_uid and c ->> 'sha256' = v_sha))
    where id = e.id;
    insert into exam_event (exam_id, event, from_state, to_state, detail)
    values (e.id, 'same_object', e.state, e.state, jsonb_build_object('sop_uid', i.sop_uid,
        'transfer_syntax', i.transfer_syntax, 'variant', i.variant));
end $$;

-- The object takes the place of the one that is shown under its UID, and is measured and looked at
-- as that was. A claim whose reader was shown the other does not sign: exam_objects_digest() is another.
create function instance_show(i instance, e exam) returns void language plpgsql as
$$
declare
    v_was bigint := (select id from instance where sop_uid = i.sop_uid and centre_id = i.centre_id and variant = 0);
begin
    update instance set variant = -1 where id = v_was;
    update instance set variant = 0 where id = i.id;
    update instance set variant = i.variant where id = v_was;
    i.variant := 0;
    if ecg_class(i.sop_class) then
        insert into job (kind, subject_id, priority) values ('measure', i.id, e.priority) on conflict do nothing;
    end if;
    perform advice_check(i, e);
    if e.state = 'final' then
        perform exam_move(e, 'late');
    end if;
end $$;

-- Adds to the conflicts over the content of a UID; p_sha256: only to that of this object.
create function conflict_note(e exam, p_sop_uid text, p_sha256 text, p jsonb) returns exam language plpgsql as
$$
begin
    update exam set conflicts = (select coalesce(jsonb_agg(case when c ->> 'cause' = 'content'
                and c ->> 'sop_uid' = p_sop_uid and c ->> 'sha256' = coalesce(p_sha256, c ->> 'sha256')
            then c || p else c end order by n), '[]')
        from jsonb_array_elements(conflicts) with ordinality x(c, n))
    where id = e.id returning * into e;
    return e;
end $$;

-- Another object than the one that is shown; which of them is damaged, and why, stands in the
-- conflict. A whole one is shown in place of a damaged one, unless it is of another patient, or a
-- person has decided which is to be shown.
create function check_conflict(i instance, e exam, p_shown bytea, p_verdict text, p_why text) returns void
language plpgsql as
$$
declare
    v_shown text := encode(p_shown, 'hex');
    v_sha text := (select encode(sha256, 'hex') from object where id = i.object_id);
begin
    if p_verdict <> 'different' then
        e := conflict_note(e, i.sop_uid, v_sha, jsonb_build_object('why', p_why, 'damaged', case p_verdict
            when 'damaged' then jsonb_build_array(v_sha) when 'shown_damaged' then jsonb_build_array(v_shown)
            else jsonb_build_array(v_shown, v_sha) end));
    end if;
    if p_verdict = 'shown_damaged' and not exists (select from jsonb_array_elements(e.conflicts) c
            where c ->> 'sop_uid' = i.sop_uid and (c ? 'resolved' or c ->> 'cause' = 'patient' and c ->> 'sha256' = v_sha)) then
        perform instance_show(i, e);
        insert into exam_event (exam_id, event, from_state, to_state, detail)
        select e.id, 'whole_object', e.state, state, jsonb_build_object('sop_uid', i.sop_uid, 'shown', v_sha,
            'before', v_shown, 'why', p_why) from exam where id = e.id;
    end if;
end $$;

-- Another centre has sent this UID before: each keeps its own, and this one
-- is flagged. Which centre it is stays unsaid.
create function check_centre(i instance, e exam) returns void language plpgsql as
$$
begin
    if exists (select from instance x where x.sop_uid = i.sop_uid and x.centre_id <> i.centre_id and x.id < i.id)
        and not e.conflicts @> jsonb_build_array(jsonb_build_object('cause', 'centre', 'sop_uid', i.sop_uid)) then
        perform ingest_conflict(e, 'centre', jsonb_build_object('sop_uid', i.sop_uid,
            'sha256', (select encode(sha256, 'hex') from object where id = i.object_id)));
    end if;
end $$;

-- One that was looked at. False: another object is shown by now than that with which it was compared.
create function check_one(i instance, e exam, p_other text, p_verdict text, p_why text) returns boolean
language plpgsql as
$$
declare
    o object;
begin
    if i.variant > 0 and p_verdict is not null then
        select b.* into o from instance x join object b on b.id = x.object_id
        where x.sop_uid = i.sop_uid and x.centre_id = i.centre_id and x.variant = 0;
        if o.location is distinct from p_other then
            return false;
        elsif p_verdict = 'same' then
            perform check_same(i, e);
        else
            perform check_conflict(i, e, o.sha256, p_verdict, p_why);
        end if;
    end if;
    perform check_centre(i, e);
    perform advice_check(i, e);
    return true;
end $$;

-- What was looked at: job, instance, and where it was compared with another one, other (its place), verdict
-- (same, different, or which is damaged: damaged, shown_damaged, both_damaged) and why.
create function check_done(p jsonb) returns void
language plpgsql security definer set search_path = public as
$$
declare
    r record;
    i instance;
    e exam;
    v_kept bigint[] := '{}';
begin
    for r in select c.*, x.study
        from jsonb_to_recordset(p) c(job bigint, instance bigint, other text, verdict text, why text) cross join lateral (
            select s.id as study, s.study_uid, t.sop_uid, t.variant
            from instance t join study s on s.id = t.study_id where t.id = c.instance offset 0) x
        order by x.study_uid, x.sop_uid, x.variant loop
        begin
            select * into e from exam where study_id = r.study for update;
            continue when not found;
            select * into i from instance where id = r.instance;
            if not check_one(i, e, r.other, r.verdict, r.why) then
                perform job_put_back(r.job, 'another object is shown by now', 0);
                v_kept := v_kept || r.job;
            end if;
        exception
            when data_exception or integrity_constraint_violation then
                perform job_failed(r.job, 'it cannot be checked: ' || sqlstate, 10);
                v_kept := v_kept || r.job;
        end;
    end loop;
    delete from job where id in (select (c ->> 'job')::bigint from jsonb_array_elements(p) c) and id <> all (v_kept);
end $$;
grant execute on function check_done(jsonb) to rdc_ingest;

-- Which of the objects under one UID is shown: a person's decision. All are kept.
create function exam_resolve_object(p_exam bigint, p_object text, p_reason text) returns json
language plpgsql security definer set search_path = public as
$$
declare
    e exam := exam_take(p_exam, 'technician', 'doctor', 'admin');
    i instance;
    v_detail jsonb := jsonb_build_object('object', lower(p_object), 'reason', p_reason);
begin
    if e.centre_id is distinct from rdc_org() then
        perform fail(403, 'only the originating centre can do this');
    elsif coalesce(btrim(p_reason), '') = '' then
        perform fail(422, 'resolve needs a reason', '{"object": "its sha256", "reason": "..."}');
    end if;
    select x.* into i from instance x join object o on o.id = x.object_id
    where x.study_id = e.study_id and not x.own and encode(o.sha256, 'hex') = lower(p_object);
    if i.id is null then
        perform fail(422, 'no object of this exam has that sha256', 'they stand in its instances');
    elsif not exists (select from jsonb_array_elements(e.conflicts) c
            where c ->> 'cause' = 'content' and c ->> 'sop_uid' = i.sop_uid) then
        perform fail(409, 'no other object has come under the UID of this one', 'look at the exam again');
    end if;
    if i.variant > 0 then
        perform instance_show(i, e);
    end if;
    e := conflict_note(e, i.sop_uid, null, jsonb_build_object('resolved', lower(p_object), 'by', rdc_person(),
        'reason', p_reason));
    insert into exam_event (exam_id, person_id, event, from_state, to_state, detail)
    select e.id, rdc_person(), 'resolve', e.state, state, v_detail from exam where id = e.id;
    perform audit_write('resolve', 'exam', e.id, v_detail);
    return json_build_object('state', e.state, 'conflicts', exam_conflicts(e));
end $$;
grant execute on function exam_resolve_object(bigint, text, text) to rdc_api;

-- ---------------------------------------------------------------- told

create function exam_advice_list(p_exam bigint) returns jsonb language plpgsql stable as
$$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('code', a.code, 'text_zh', c.text_zh, 'text_en', c.text_en,
            'instance', i.sop_uid, 'detail', a.detail, 'at', a.at) order by a.id), '[]')
        from exam_advice a join advice_code c on c.code = a.code left join instance i on i.id = a.instance_id
        where a.exam_id = p_exam and a.resolved_at is null and coalesce(i.variant, 0) = 0);
end $$;

-- How often each was said of these devices, by week, in the last quarter.
create function device_advice(p_devices bigint[]) returns jsonb language sql stable as
$$
    select coalesce(jsonb_agg(jsonb_build_object('code', x.code, 'text_zh', c.text_zh, 'text_en', c.text_en,
        'count', x.n, 'last_at', x.last_at, 'weeks', x.weeks) order by x.n desc, x.code), '[]')
    from (
        select code, sum(n) as n, max(last_at) as last_at, jsonb_object_agg(week, n) as weeks
        from (select code, to_char(at, 'IYYY-"W"IW') as week, count(*) as n, max(at) as last_at
            from exam_advice where device_id = any (p_devices) and at > now() - interval '91 days'
            group by 1, 2) w
        group by 1) x join advice_code c on c.code = x.code
$$;

grant execute on function exam_advice_list(bigint), device_advice(bigint[]) to rdc_api;
