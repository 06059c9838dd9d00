/* glass.h - the whole public API. */
#ifndef GLASS_GLASS_H
#define GLASS_GLASS_H

#include "glass/adapter.h"
#include "glass/audit.h"
#include "glass/convert.h"
#include "glass/data.h"
#include "glass/dtype.h"
#include "glass/eval.h"
#include "glass/grammar.h"
#include "glass/infill.h"
#include "glass/inspect.h"
#include "glass/limits.h"
#include "glass/model.h"
#include "glass/pool.h"
#include "glass/processes.h"
#include "glass/quantize.h"
#include "glass/sampler.h"
#include "glass/session.h"
#include "glass/sign.h"
#include "glass/speculative.h"
#include "glass/status.h"
#include "glass/template.h"
#include "glass/tokenizer.h"
#include "glass/trace.h"
#include "glass/train.h"
#include "glass/tokenizer_train.h"

#endif
