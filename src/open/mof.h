/* mof.h - the Model Openness Framework: its seventeen components, and the class that they give.
 *
 * White et al., "The Model Openness Framework" (arXiv 2403.13784); ids, content types and rules of
 * the tool are those of lfai/model_openness_tool at 8b5d30e. */
#ifndef OPEN_MOF_H
#define OPEN_MOF_H

#include "glass/audit.h"

enum {
    MOF_COMPONENTS = GLASS_MOF_COMPONENTS,
    MOF_ARCHITECTURE = 0,
    MOF_PREPROCESSING,
    MOF_TRAINING,
    MOF_INFERENCE,
    MOF_EVALUATION,
    MOF_LIBRARIES,
    MOF_PARAMETERS,
    MOF_CHECKPOINTS,
    MOF_DATASETS,
    MOF_EVALUATION_DATA,
    MOF_METADATA,
    MOF_OUTPUTS,
    MOF_MODEL_CARD,
    MOF_DATA_CARD,
    MOF_REPORT,
    MOF_PAPER,
    MOF_RESULTS
};

struct mof_kind {
    int id; /* the tool's */
    const char *name;
    const char *content; /* "code", "data", "document" */
    int mof_class;
    bool required;
};
extern const struct mof_kind mof_kinds[MOF_COMPONENTS];

/* SPDX ids parted by blanks (spdx_open.c). */
extern const char spdx_osi[], spdx_fsf_alone[];

/* Whether the tool takes a licence of this very name for open. */
bool mof_open_tool(const char *name);
/* Whether an SPDX id is open, and fit for what it is on. */
bool mof_open_paper(const char *id, const char *content, bool parameters);

/* The class (1, 2, 3; 0: none) of components whose licence counts, and how far each class is, in
 * percent: progress[0] of class I. */
void mof_classify(int *mof_class, double progress[3], const bool counts[MOF_COMPONENTS]);

#endif
