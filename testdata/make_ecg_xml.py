#!/usr/bin/env python3
"""Writes the XML test files of ECG carts: testdata/make_ecg_xml.py [--small] FOLDER.

HL7 aECG, GE MUSE and Philips XML of one synthetic ECG (ecg_model.py), in several
encodings, and expected.json with the counts of each lead. --small: the fuzz corpus.
All names are invented."""
import base64
import json
import os
import struct
import sys
import zlib

import ecg_model

RATE, BPM = 250, 72
NAME, GIVEN = '测试', '一'


def words(values):
    return struct.pack(f'<{len(values)}h', *values)


# ---- HL7 aECG ----

def sequence(p, lead, values):
    return (f'<{p}component><{p}sequence><{p}code codeSystem="2.16.840.1.113883.6.24" code="MDC_ECG_LEAD_{lead.upper()}"/>'
            f'<{p}value xsi:type="SLIST_PQ"><{p}origin unit="uV" value="0"/><{p}scale value="5" unit="uV"/>'
            f'<{p}digits>\n{" ".join(map(str, values))}\n</{p}digits></{p}value></{p}sequence></{p}component>')


def time_sequence(p, absolute):
    kind, head = (('TIME_ABSOLUTE', 'value="20260131080000.500"') if absolute else ('TIME_RELATIVE', 'value="0" unit="ms"'))
    return (f'<{p}component><{p}sequence><{p}code code="{kind}"/><{p}value xsi:type="GLIST_{"TS" if absolute else "PQ"}">'
            f'<{p}head {head}/><{p}increment value="0.004" unit="s"/></{p}value></{p}sequence></{p}component>')


def roi(p, low, high, lead=None):
    where = f'<{p}component><{p}boundary><{p}code code="MDC_ECG_LEAD_{lead}"/></{p}boundary></{p}component>' if lead else ''
    return (f'<{p}support><{p}supportingROI><{p}component><{p}boundary><{p}code code="TIME_RELATIVE"/>'
            f'<{p}value xsi:type="IVL_PQ"><{p}low value="{low}" unit="ms"/><{p}high value="{high}" unit="ms"/></{p}value>'
            f'</{p}boundary></{p}component>{where}</{p}supportingROI></{p}support>')


def note(p, code, value, inner=''):
    return f'<{p}component><{p}annotation><{p}code code="{code}"/><{p}value {value}/>{inner}</{p}annotation></{p}component>'


def aecg(record, median, declaration, prefix, absolute):
    p = prefix + ':' if prefix else ''
    ns = f'xmlns{":" + prefix if prefix else ""}="urn:hl7-org:v3"'
    waves = (note(p, 'MDC_ECG_WAVC', 'xsi:type="CE" code="MDC_ECG_WAVC_PWAVE"', roi(p, 100, 190)) +
             note(p, 'MDC_ECG_WAVC', 'xsi:type="CE" code="MDC_ECG_WAVC_QRSWAVE"', roi(p, 260, 350, 'II')))
    notes = (note(p, 'MDC_ECG_BEAT', 'xsi:type="CE" code="MDC_ECG_BEAT_V_P_C"', waves) +
             note(p, 'MDC_ECG_HEART_RATE', 'xsi:type="PQ" value="72" unit="bpm"') +
             note(p, 'MDC_ECG_TIME_PD_QT', 'xsi:type="PQ" value="0.4" unit="s"') +
             note(p, 'MDC_ECG_RHY', 'xsi:type="CE" code="MDC_ECG_RHY_SINUS_RHY" displayName="Sinus Rhythm"'))
    filters = (f'<{p}controlVariable><{p}controlVariable><{p}code code="MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS"/><{p}component>'
               f'<{p}controlVariable><{p}code code="MDC_ECG_CTL_VBL_ATTR_FILTER_CUTOFF_FREQ"/><{p}value xsi:type="PQ" value="150" unit="Hz"/>'
               f'</{p}controlVariable></{p}component></{p}controlVariable></{p}controlVariable>')
    return (f'{declaration}<!-- an invented recording -->\n<{p}AnnotatedECG {ns} '
            f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><{p}componentOf><{p}timepointEvent><{p}componentOf>'
            f'<{p}subjectAssignment><{p}subject><{p}trialSubject><{p}id root="1.2.3" extension="X0001"/><{p}subjectDemographicPerson>'
            f'<{p}name><{p}family>{NAME}</{p}family><{p}given>{GIVEN}</{p}given></{p}name><{p}administrativeGenderCode code="F"/>'
            f'<{p}birthTime value="19600102"/></{p}subjectDemographicPerson></{p}trialSubject></{p}subject></{p}subjectAssignment>'
            f'</{p}componentOf></{p}timepointEvent></{p}componentOf><{p}component><{p}series><{p}code code="RHYTHM"/>'
            f'<{p}effectiveTime><{p}low value="20260131080000"/></{p}effectiveTime><{p}author><{p}seriesAuthor><{p}manufacturedSeriesDevice>'
            f'<{p}manufacturerModelName>TEST CART</{p}manufacturerModelName></{p}manufacturedSeriesDevice></{p}seriesAuthor></{p}author>'
            f'{filters}<{p}component><{p}sequenceSet>{time_sequence(p, absolute)}'
            f'{"".join(sequence(p, lead, v) for lead, v in record.items())}</{p}sequenceSet></{p}component>'
            f'<{p}subjectOf><{p}annotationSet>{notes}</{p}annotationSet></{p}subjectOf>'
            f'<{p}derivation><{p}derivedSeries><{p}code code="REPRESENTATIVE_BEAT"/><{p}component><{p}sequenceSet>'
            f'{time_sequence(p, False)}{"".join(sequence(p, lead, v) for lead, v in median.items())}</{p}sequenceSet></{p}component>'
            f'</{p}derivedSeries></{p}derivation></{p}series></{p}component></{p}AnnotatedECG>\n')


def cart_aecg(record, median):
    """As carts of Mindray write it: end tags throughout, elements of their own for the
    patient, a QTc of 0 with the other within, measurements lead by lead; and a
    representative beat as a series of its own, which others write."""
    def seen(code, value, unit, inner=''):
        return (f'<component><annotation><code code="{code}"></code><value xsi:type="PQ" value="{value}" unit="{unit}"></value>'
                f'{inner}</annotation></component>')

    def of_lead(lead, inner):
        return ('<component><annotation><code code="MINDRAY_MEASUREMENT_MATRIX"></code><support><supportingROI><component><boundary>'
                f'<code code="MDC_ECG_LEAD_{lead}"></code></boundary></component></supportingROI></support>{inner}</annotation></component>')

    def series(code, values, notes=''):
        return (f'<component><series><code code="{code}"></code><effectiveTime><low value="20260131080000"></low></effectiveTime><author>'
                '<seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>TEST CART</manufacturerModelName><SerialNumber>SN-7</SerialNumber>'
                '</manufacturedSeriesDevice></seriesAuthor></author><controlVariable><controlVariable>'
                '<code code="MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS"></code><component><controlVariable>'
                '<code code="MDC_ECG_CTL_VBL_ATTR_FILTER_CUTOFF_FREQ"></code><value xsi:type="PQ" value="150" unit="Hz"></value>'
                f'</controlVariable></component></controlVariable></controlVariable><component><sequenceSet>{time_sequence("", True)}'
                f'{"".join(sequence("", lead, v) for lead, v in values.items())}</sequenceSet></component>{notes}</series></component>')

    notes = (seen('MDC_ECG_HEART_RATE', 72, 'bpm') + seen('MDC_ECG_TIME_PD_PR', 0, 'ms') +
             seen('MDC_ECG_TIME_PD_QTc', 0, 'ms', seen('MINDRAY_ECG_TIME_PD_QTcH', 413, 'ms')) + seen('MINDRAY_ECG_QRS_AXIS', 64, 'deg') +
             of_lead('I', seen('MINDRAY_R_AMP', 0.5, 'mV') + seen('MINDRAY_Q_DUR', 0, 'ms')) +
             of_lead('V6', seen('MINDRAY_P_ONSET', 234, 'ms')) +
             '<component><annotation><code code="MDC_ECG_INTERPRETATION"></code><component><annotation>'
             '<code code="MDC_ECG_INTERPRETATION_STATEMENT"></code><value xsi:type="ST">Sinus rhythm</value></annotation></component>'
             '</annotation></component>')
    return ('<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><componentOf><timepointEvent>'
            f'<componentOf><subjectAssignment><subject><trialSubject><subjectDemographicPerson><name>{NAME}^{GIVEN}</name>'
            '<administrativeGenderCode code="F"></administrativeGenderCode><birthTime value=""></birthTime><PatientID>X0001</PatientID>'
            '<SecondPatientID></SecondPatientID><Age>65</Age></subjectDemographicPerson></trialSubject></subject></subjectAssignment>'
            '</componentOf></timepointEvent></componentOf>' +
            series('RHYTHM', record, f'<subjectOf><annotationSet>{notes}</annotationSet></subjectOf>') +
            series('REPRESENTATIVE_BEAT', median) + '</AnnotatedECG>\n')


# ---- GE MUSE ----

def muse_wave(kind, record, stored):
    leads = ''.join(
        f'<LeadData><LeadSampleCountTotal>{len(record[n])}</LeadSampleCountTotal><LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit>'
        f'<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{n}</LeadID><LeadSampleSize>2</LeadSampleSize>'
        f'<LeadDataCRC32>{zlib.crc32(words(record[n]))}</LeadDataCRC32><WaveFormData>\n'
        f'{base64.encodebytes(words(record[n])).decode()}</WaveFormData></LeadData>' for n in stored)
    return (f'<Waveform><WaveformType>{kind}</WaveformType><SampleBase>25</SampleBase><SampleExponent>1</SampleExponent>'
            f'<HighPassFilter>16</HighPassFilter><LowPassFilter>150</LowPassFilter><ACFilter>50</ACFilter>{leads}</Waveform>')


def muse(record, median, encoding, name, given):
    stored = [n for n in record if n not in ('III', 'aVR', 'aVL', 'aVF')]
    matrix = struct.pack('<18h', 36, *range(17)) + struct.pack('<BBhBBh', 0, 13, 1000, 1, 17, 200)
    return (f'<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
            '<MuseInfo><MuseVersion>9.0</MuseVersion></MuseInfo><PatientDemographics><PatientID>X0002</PatientID>'
            f'<DateofBirth>01-02-1960</DateofBirth><Gender>FEMALE</Gender><PatientLastName>{name}</PatientLastName>'
            f'<PatientFirstName>{given}</PatientFirstName></PatientDemographics><TestDemographics><AcquisitionDate>01-31-2026</AcquisitionDate>'
            '<AcquisitionTime>08:00:00</AcquisitionTime><Status>UNCONFIRMED</Status></TestDemographics><RestingECGMeasurements>'
            '<VentricularRate>72</VentricularRate><QRSDuration>96</QRSDuration><QOnset>62</QOnset><QOffset>86</QOffset>'
            '<ECGSampleBase>250</ECGSampleBase><ECGSampleExponent>0</ECGSampleExponent></RestingECGMeasurements>'
            '<OriginalRestingECGMeasurements><VentricularRate>99</VentricularRate></OriginalRestingECGMeasurements><Diagnosis>'
            '<DiagnosisStatement><StmtText>Sinus rhythm</StmtText></DiagnosisStatement><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag>'
            '<StmtText>with nothing else</StmtText></DiagnosisStatement></Diagnosis>'
            f'<MeasurementMatrix>{base64.b64encode(matrix).decode()}</MeasurementMatrix><QRSTimesTypes><QRS><Number>1</Number><Type>0</Type>'
            f'<Time>348</Time></QRS></QRSTimesTypes>{muse_wave("Median", median, stored)}{muse_wave("Rhythm", record, stored)}</RestingECG>\n')


# ---- Philips ----

def lzw(data):
    """LZW with codes of 10 bits, most significant bit first."""
    table, out, have = {bytes([i]): i for i in range(256)}, [], b''
    for byte in data:
        more = have + bytes([byte])
        if more in table:
            have = more
            continue
        out.append(table[have])
        if len(table) <= 1022:
            table[more] = len(table)
        have = bytes([byte])
    bits = ''.join(f'{c:010b}' for c in out + [table[have]])
    bits += '0' * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, 'big')


def xli(values):
    """What the reader undoes: v[n] = 2 v[n-1] - v[n-2] - last, last = d[n] - 64."""
    first, d = 0, list(values[:2])
    last = first
    for n in range(2, len(values)):
        # The value at n is told by the difference before it.
        need = 2 * values[n - 1] - values[n - 2] - values[n]
        if n == 2:
            first = need
        else:
            d[-1] = need + 64
        d.append(64)
    packed = struct.pack(f'>{len(d)}h', *d)
    data = lzw(packed[0::2] + packed[1::2])
    del last
    return struct.pack('<IHh', len(data), 1, first) + data


def residuals(r):
    out = dict(r)
    out['III'] = [b - a - c for a, b, c in zip(r['I'], r['II'], r['III'])]
    out['aVR'] = [-v - (a + b) // 2 for a, b, v in zip(r['I'], r['II'], r['aVR'])]
    out['aVL'] = [(a - c) // 2 - v for a, c, v in zip(r['I'], r['III'], r['aVL'])]
    out['aVF'] = [(b + c) // 2 - v for b, c, v in zip(r['II'], r['III'], r['aVF'])]
    return out


def philips(record, median, new, encoding):
    pulse = [0] * (RATE // 2) + [0] * 20 + [200] * 60 + [0] * (RATE // 2 - 80)
    full = {n: v + v[-1:] * (RATE // 4) + pulse[RATE // 4:] for n, v in record.items()}
    data = base64.encodebytes(b''.join(xli(v) for v in residuals(full).values())).decode()
    ms = len(full['I']) * 1000 // RATE
    if new:
        waves = (f'<parsedwaveforms dataencoding="Base64" compression="XLI" numberofleads="12" leadlabels="{" ".join(full)}" '
                 f'durationperchannel="{ms}" samplespersecond="{RATE}" resolution="5">{data}</parsedwaveforms>')
        beats = ''.join(f'<repbeat leadname="{n}"><pdur>80</pdur><print>160</print><qonset>250</qonset><qrsdur>90</qrsdur><qtint>400</qtint>'
                        f'<waveform duration="1200">{base64.b64encode(words(v)).decode()}</waveform></repbeat>' for n, v in median.items())
        measured = '<globalmeasurements><heartrate>72</heartrate><print>160</print><qtcb>410</qtcb></globalmeasurements>'
    else:
        waves = f'<parsedwaveforms compressflag="True" compressmethod="XLI" durationperchannel="{ms}" nbitspersample="16">{data}</parsedwaveforms>'
        beats = ''.join(f'<repbeat leadname="{n}">{base64.b64encode(words(v)).decode()}</repbeat>' for n, v in median.items())
        measured = '<interpretationmeasurements><heartrate>72</heartrate><meanprint>160</meanprint><meanqtc>410</meanqtc></interpretationmeasurements>'
    return (f'<?xml version="1.0" encoding="{encoding}"?>\n<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo>'
            f'<documenttype>{"PhilipsECG" if new else "SierraECG"}</documenttype><documentversion>{"1.04" if new else "1.03"}</documentversion></documentinfo>'
            '<dataacquisition date="2026-01-31" time="08:00:00"><machine machineid="0001">TEST CART</machine><signalcharacteristics>'
            f'<samplingrate>{RATE}</samplingrate><{"resolution" if new else "signalresolution"}>5</{"resolution" if new else "signalresolution"}>'
            '<signalbandwidth>0.05-150</signalbandwidth></signalcharacteristics></dataacquisition><patient><generalpatientdata><patientid>X0003</patientid>'
            f'<name><lastname>{NAME}</lastname><firstname>{GIVEN}</firstname></name><age><years>66</years></age><sex>Female</sex></generalpatientdata></patient>'
            '<measurements><leadmeasurements><leadmeasurement leadname="V1"><ramp>300</ramp><samp>-900</samp><qamp>0</qamp><pdur>Failed</pdur></leadmeasurement>'
            f'</leadmeasurements></measurements><interpretations><interpretation>{measured}<mdsignatureline>Unconfirmed</mdsignatureline><statement>'
            '<statementcode>SR</statementcode><leftstatement>Sinus rhythm</leftstatement><rightstatement>rate &lt; 100</rightstatement></statement></interpretation></interpretations>'
            f'<waveforms>{waves}<repbeats resolution="2.5">{beats}</repbeats></waveforms></restingecgdata>\n')


def write(out, small):
    model = ecg_model.record(0.2 if small else 2, RATE, BPM)
    record = {n: [round(v / 5) for v in values] for n, values in model.items()}
    median = {n: v[:10 if small else 100] for n, v in record.items()}
    files = {
        'aecg-bare.xml': aecg(record, median, '', '', True).encode('utf-8'),
        'aecg-cart.xml': cart_aecg(record, median).encode('utf-8'),
        'aecg-gb18030.xml': aecg(record, median, '<?xml version="1.0" encoding="GB18030"?>', 'h', False).encode('gb18030'),
        'aecg-utf16.xml': aecg(record, median, '<?xml version="1.0" encoding="UTF-16"?>', '', True).encode('utf-16'),
        'muse-gbk.xml': muse(record, median, 'ISO-8859-1', NAME, GIVEN).encode('gbk'),
        'muse-utf8.xml': muse(record, median, 'UTF-8', NAME, GIVEN).encode('utf-8'),
        'muse-windows.xml': muse(record, median, 'Windows-1252', 'TEST \u2013 \u017d', 'ONE').encode('cp1252'),
        'philips-1.03.xml': philips(record, median, False, 'UTF-8').encode('utf-8'),
        'philips-1.04.xml': philips(record, median, True, 'utf-16').encode('utf-16'),
    }
    os.makedirs(out, exist_ok=True)
    for name, data in files.items():
        folder = os.path.join(out, name.split('-')[0]) if small else out
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), 'wb') as f:
            f.write(data)
    if not small:
        with open(os.path.join(out, 'expected.json'), 'w', encoding='ascii') as f:
            json.dump({'leads': record, 'medians': median}, f, separators=(',', ':'))


def main():
    arguments = [a for a in sys.argv[1:] if a != '--small']
    if arguments in (['-h'], ['--help']):
        print(__doc__)
        return
    if len(arguments) != 1 or arguments[0].startswith('-'):
        sys.exit(__doc__)
    write(arguments[0], '--small' in sys.argv)


if __name__ == '__main__':
    main()
