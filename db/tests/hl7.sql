-- HL7 senders, their codes, and messages that come twice.
insert into hl7_sender (org_id, app, facility, address) values
    (org_id('C1'), 'HIS', 'QINGHE', null), (org_id('C2'), 'HIS', 'DONGSHAN', '10.2.0.0/16');
insert into hl7_code (sender_id, code, modality, description)
values (hl7_sender_id('HIS^QINGHE'), 'CTCH', 'CT', '胸部 CT');

do $$
declare
    s bigint := hl7_sender_id('HIS^QINGHE');
    v jsonb;
    o jsonb := '[{"control": "", "placer_number": "PL1", "patient_id": "P77", "patient_name": "测试^一",
        "procedure_code": "CTCH", "accession": "HACC1", "priority": "stat"}]';
begin
    assert hl7_sender_find('HIS', 'QINGHE', '10.9.0.1') ->> 'id' = s::text;
    assert hl7_sender_find('HIS', 'NOWHERE', '10.9.0.1') ->> 'cause' = 'unknown';
    assert hl7_sender_find('HIS', 'DONGSHAN', '10.9.0.1') ->> 'cause' = 'wrong_address';
    update hl7_sender set disabled_at = now() where facility = 'DONGSHAN';
    assert hl7_sender_find('HIS', 'DONGSHAN', '10.2.0.1') ->> 'cause' = 'disabled';
    v := hl7_receive(s, 'M1', '\x01', o);
    assert v ->> 'code' = 'AA', v;
    -- the site's code says what it is
    assert (select modality || ' ' || description || ' ' || priority || ' ' || placer_issuer
            from exam_order where accession = 'HACC1') = 'CT 胸部 CT stat HIS';
    -- the same message again: the same answer, nothing new
    assert hl7_receive(s, 'M1', '\x01', o) = v;
    assert (select count(*) from exam_order where accession = 'HACC1') = 1;
    -- another message under the same control ID
    assert hl7_receive(s, 'M1', '\x02', o) ->> 'error_code' = '205';
    -- cancelled, and what is not known cannot be
    assert hl7_receive(s, 'M2', '\x03', '[{"control": "cancel", "placer_number": "PL1", "placer_issuer": "HIS"}]')
        ->> 'code' = 'AA';
    assert (select state from exam_order where accession = 'HACC1') = 'cancelled';
    assert hl7_receive(s, 'M3', '\x04', '[{"control": "cancel", "placer_number": "PL9"}]') ->> 'error_code' = '204';
    -- all orders of a message or none
    v := hl7_receive(s, 'M4', '\x05', '[{"control": "", "placer_number": "PL2", "patient_name": "A", "modality": "CT"},
        {"control": "", "placer_number": "PL3", "patient_name": "A"}]');
    assert v ->> 'code' = 'AE' and v ->> 'error_code' = '101', v;
    assert not exists (select from exam_order where placer_number in ('PL2', 'PL3'));
    -- what does not fit is told with its place
    v := hl7_receive(s, 'M5', '\x06', '[{"control": "", "accession": "12345678901234567", "patient_name": "A", "modality": "CT"}]');
    assert v ->> 'error_code' = '102' and v ->> 'location' = 'OBR^1^18' and v ->> 'text' like '%up to 16 characters%', v;
    v := hl7_receive(s, 'M5', '\x06', '[{"control": "", "accession": "HACC5", "modality": "CT"}]');
    assert v ->> 'error_code' = '101' and v ->> 'location' = 'PID^1^5', v;
    v := hl7_receive(s, 'M5', '\x06', '[{"control": "", "accession": "HACC5", "patient_name": "A", "modality": "CT",
        "birth_date": "19901301"}]');
    assert v ->> 'error_code' = '102' and v ->> 'location' = 'PID^1^7', v;
    -- a code that is too long for a device is known by its map, and where it has none by its text
    insert into hl7_code (sender_id, code, modality) values (s, 'CT_CHEST_WITHOUT_CONTRAST', 'CT');
    v := hl7_receive(s, 'M6', '\x07', '[{"control": "", "accession": "HACC6", "patient_name": "A",
        "procedure_code": "CT_CHEST_WITHOUT_CONTRAST", "procedure_scheme": "L"}]');
    assert v ->> 'code' = 'AA', v;
    assert (select concat_ws(' ', modality, description, procedure_code) from exam_order where accession = 'HACC6')
        = 'CT CT_CHEST_WITHOUT_CONTRAST';
    -- a certificate that is registered must be shown
    update hl7_sender set certificate = repeat('a', 64) where id = s;
    assert hl7_sender_find('HIS', 'QINGHE', '10.9.0.1') ->> 'cause' = 'certificate_missing';
    assert hl7_sender_find('HIS', 'QINGHE', '10.9.0.1', repeat('b', 64)) ->> 'cause' = 'certificate_unknown';
    assert hl7_sender_find('HIS', 'QINGHE', '10.9.0.1', repeat('a', 64)) ->> 'id' = s::text;
    -- and may come again when it was mended at our side
    assert not exists (select from hl7_message where control_id = 'M4');
end $$;

-- What the registration says of a patient: corrected, but nobody with studies becomes another person.
do $$
declare
    s bigint := hl7_sender_id('HIS^QINGHE');
    v jsonb;
    v_patient bigint;
begin
    assert hl7_receive(s, 'A0', '\x20', '[{"control": "", "placer_number": "PL20", "patient_id": "P20",
        "patient_name": "测试^二十", "patient_pinyin": "CESHI^ERSHI", "birth_date": "19800102", "sex": "F", "modality": "CT"}]') ->> 'code' = 'AA';
    assert hl7_receive(s, 'A1', '\x21', '[{"control": "patient", "patient_id": "P20", "patient_name": "测试^廿",
        "patient_pinyin": "CESHI^NIAN", "birth_date": "19800103", "sex": "M"}]') ->> 'code' = 'AA';
    select id into v_patient from patient where patient_id = 'P20' and name = '测试^廿' and pinyin = 'CESHI^NIAN'
        and birth_date = '1980-01-03' and sex = 'M';
    assert v_patient is not null;
    assert (select before ->> 'name' = '测试^二十' and reason = 'registration' from patient_correction
        where patient_id = v_patient);
    insert into study (centre_id, study_uid, patient_id) values (org_id('C1'), '1.2.20', v_patient);
    v := hl7_receive(s, 'A2', '\x22', '[{"control": "patient", "patient_id": "P20", "patient_name": "李^四", "sex": "F"}]');
    assert v ->> 'code' = 'AE' and v ->> 'error_code' = '207' and v ->> 'text' like '%name and sex%', v;
    assert hl7_receive(s, 'A3', '\x23', '[{"control": "patient", "patient_id": "P20", "sex": "F"}]') ->> 'code' = 'AA';
    assert (select name = '测试^廿' and sex = 'F' from patient where id = v_patient);
    assert hl7_receive(s, 'A4', '\x24', '[{"control": "patient", "patient_id": "P21", "sex": "F"}]') ->> 'code' = 'AA';
    assert not exists (select from patient where patient_id = 'P21');
end $$;
