#include "ecg/analysis/ecg_energy.h"

#include "ecg/analysis/ecg_energy_loops.h"

const struct ecg_energy ecg_energy_avx2 = {.pairs = pairs, .energy = energy, .smallest = smallest};
