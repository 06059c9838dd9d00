/* api_page.h - the page's handlers that api_page.c puts into its table. */
#ifndef SERVE_API_PAGE_H
#define SERVE_API_PAGE_H

#include "serve/conversations.h"
#include "serve/routes.h"

/* The store of this server; GLASS_SYSTEM with a message if it has none. */
glass_status page_store(struct conversations **out, struct exchange *x);
/* The request's JSON object; GLASS_BAD_INPUT without one. */
glass_status page_body(const json_t **out, struct exchange *x);
/* Replies with a value and lets go of it. */
glass_status page_reply(struct exchange *x, int code, json_t *value);

glass_status page_feedback_post(struct exchange *x);
glass_status page_feedback_delete(struct exchange *x);
glass_status page_feedback_stats(struct exchange *x);
glass_status page_feedback_export(struct exchange *x);

#endif
