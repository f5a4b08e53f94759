/* SPDX-License-Identifier: Apache-2.0
 *
 * small_model.h - a model with a signature of each kind, for targets that ask one.
 */
#ifndef TN_FUZZ_SMALL_MODEL_H
#define TN_FUZZ_SMALL_MODEL_H

#include "serve/serve.h"

/* Saves it as a SavedModel; the folder's own is made. */
tn_code tn_fuzz_save_model(const char *folder, tn_error *err);
/* The same, loaded; the process ends where that fails: nothing would be tried. */
tn_servable *tn_fuzz_load_model(const char *folder);

#endif
