/* conversations.h - the page's conversations and the feedback on them, in one SQLite file.
 *
 * A conversation is a tree of messages. A message that is done never changes: an edit or a
 * retry is another child of the same parent, so that no writer can undo another's work. What
 * can change (title, model, settings of a conversation; a message that is still being
 * written) carries a version, and a change that was made to an older one is refused.
 *
 * A call that returns GLASS_OK has written what it was given to the disk (WAL,
 * synchronous=FULL): it survives SIGKILL and a power cut. Deleted text is overwritten in the
 * file. Thread-safe; several processes may share the file.
 *
 * Values come and go as JSON of the page's API (docs/page.md). Unless said otherwise,
 * GLASS_BAD_INPUT names the member that is wrong, GLASS_NEGATIVE says that there is no such
 * conversation, message or feedback, GLASS_SYSTEM what SQLite or the disk says. */
#ifndef SERVE_CONVERSATIONS_H
#define SERVE_CONVERSATIONS_H

#include "base/buf.h"

#include <jansson.h>

struct conversations;

/* folder NULL: path_data(). The file is FOLDER/conversations.db, made if it is missing. */
glass_status conversations_open(struct conversations **out, const char *folder);
void conversations_close(struct conversations *c);

/* {"conversations":[{id,title,updated,created,n_messages,cursor,snippet?}],"more":bool}:
 * those that hold query (NULL = all; letters' case and accents do not count), latest first,
 * after the one whose cursor is `before` (NULL = from the first). limit 1 to 200. */
glass_status conversations_list(struct conversations *c, json_t **out, const char *query,
                                const char *before, int limit);
/* body {id,title,model,settings}. One of that id that is there already is left as it is, so
 * that a request may be repeated. */
glass_status conversations_create(struct conversations *c, json_t **out,
                                  const json_t *body);
/* All of it but the messages' tokens; each message has its feedback. */
glass_status conversations_get(struct conversations *c, json_t **out, const char *id);
/* body {version,title?,model?,settings?} or {leaf}. *conflict: it is of another version;
 * *out is then the state of now. */
glass_status conversations_update(struct conversations *c, json_t **out, bool *conflict,
                                  const char *id, const json_t *body);
glass_status conversations_delete(struct conversations *c, const char *id);
/* body {version,parent,role,content,state,leaf?,tokens?,…}: a new message, or a later version
 * of one whose state is "partial". The same once more is fine. *conflict as above. */
glass_status conversations_put(struct conversations *c, json_t **out, bool *conflict,
                               const char *id, const char *message, const json_t *body);
/* {"tokens":[…]} */
glass_status conversations_tokens(struct conversations *c, json_t **out, const char *id,
                                  const char *message);

/* ---- feedback ---- */

/* What the author agrees to; kept with each consent. */
extern const char feedback_consent[];
/* NULL-ended; the first is the usual one. */
extern const char *const feedback_licences[];

/* What is known of the model that answered. */
struct feedback_model {
    const char *name, *path, *license; /* each may be NULL */
};

/* body {id,conversation,message,kind,rating?,chosen?,rejected?,comment?,author?,consent?,
 * licence?}; see docs/page.md. Keeps a copy of all that an exported line needs. A rating
 * replaces an earlier one of the message. */
glass_status feedback_put(struct conversations *c, json_t **out, const json_t *body,
                          const struct feedback_model *model);
/* Takes feedback, and with it consent, back. */
glass_status feedback_delete(struct conversations *c, const char *id);
/* {"n","n_consented","kinds":{kind:{"n","n_consented"}},"authors":{…},"licences":{…},
 * "models":{…}}; the last three of consented ones. */
glass_status feedback_stats(struct conversations *c, json_t **out);
/* One record after another, oldest first; text is one line of JSON without its end. */
enum feedback_which {
    FEEDBACK_ALL,
    FEEDBACK_PAIRS,  /* with consent: corrections and comparisons */
    FEEDBACK_RATINGS /* with consent: ratings */
};
glass_status feedback_each(struct conversations *c, enum feedback_which which,
                           glass_status (*each)(void *context, const char *line, size_t n),
                           void *context);
/* The conversation and message that a feedback's body names: the name of the model that gave
 * the answer (mem_free it), "" if that is not recorded. */
glass_status feedback_model_name(struct conversations *c, char **out, const json_t *body);

#endif
