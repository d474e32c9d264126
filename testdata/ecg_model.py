"""A synthetic resting ECG for test files; nobody's heart.

Each wave of a beat is a Gaussian along a fixed direction of the heart's
electrical axis; a lead is the projection on its own direction. Only I, II and
V1-V6 are projected; III, aVR, aVL and aVF follow from I and II exactly
(Einthoven, Goldberger), as in a real electrocardiograph.
"""
import math

LEADS = ('I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6')

# wave: (time from the R peak in s, width in s, amplitude in µV, direction x y z);
# x to the left, y to the feet, z to the back.
WAVES = (
    (-0.160, 0.022, 140, (0.55, 0.80, -0.10)),   # P
    (-0.028, 0.008, 180, (-0.55, 0.10, -0.80)),  # Q: septum, to the front and right
    (0.000, 0.011, 1350, (0.70, 0.62, 0.25)),    # R
    (0.030, 0.010, 420, (-0.35, -0.30, 0.90)),   # S: base, to the back
    (0.240, 0.045, 330, (0.65, 0.55, -0.45)),    # T
)
DIRECTIONS = {
    'I': (0.90, -0.10, 0.05), 'II': (0.45, 0.85, 0.00),
    'V1': (-0.45, 0.05, -0.90), 'V2': (0.05, 0.05, -1.25), 'V3': (0.55, 0.10, -1.10),
    'V4': (1.05, 0.20, -0.65), 'V5': (1.15, 0.20, -0.10), 'V6': (1.00, 0.20, 0.25),
}


def _projected(lead, t):
    d = DIRECTIONS[lead]
    return sum(a * math.exp(-((t - at) / width) ** 2 / 2) * sum(p * q for p, q in zip(d, way))
               for at, width, a, way in WAVES)


def beats(seconds, bpm):
    """Times of the R peaks; the rate breathes a little."""
    t, out = 0.35, []
    while t < seconds + 0.4:
        out.append(t)
        t += 60.0 / bpm * (1 + 0.03 * math.sin(2 * math.pi * 0.25 * t))
    return out


def record(seconds=10, rate=500, bpm=72):
    """{lead: [µV as int]} for the twelve leads, seconds * rate samples each."""
    count, peaks = int(seconds * rate), beats(seconds, bpm)
    out = {}
    for number, lead in enumerate(DIRECTIONS):
        values = [8 * math.sin(2 * math.pi * 0.2 * i / rate + number) for i in range(count)]
        for peak in peaks:
            first, last = int((peak - 0.25) * rate), int((peak + 0.42) * rate)
            for i in range(max(first, 0), min(last, count)):
                values[i] += _projected(lead, i / rate - peak)
        out[lead] = [round(v) for v in values]
    one, two = out['I'], out['II']
    out['III'] = [b - a for a, b in zip(one, two)]
    out['aVR'] = [round(-(a + b) / 2) for a, b in zip(one, two)]
    out['aVL'] = [round(a - b / 2) for a, b in zip(one, two)]
    out['aVF'] = [round(b - a / 2) for a, b in zip(one, two)]
    return {lead: out[lead] for lead in LEADS}
