/* The mains in a mean of beats: a wave of one height from end to end, however many beats are in it
 * and wherever each of them began. */
#ifndef ECG_MAINS_H
#define ECG_MAINS_H

#include "ecg/analysis/ecg_window.h"

/* Takes 50 or 60 Hz, whichever is higher, out of x, where it has 8 uV or more. before, after:
 * samples to the neighbouring beats, whose complexes, as its own, are not looked at; nearer than
 * 410 ms there is nothing left to look at. */
void ecg_mains_remove(float x[ECG_WINDOW], int before, int after);

#endif
