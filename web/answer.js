/* answer.js - one answer, as it comes. */
import {BROKEN, events, Problem, request} from './api.js';

/* A token as it is kept: t text, i id, p ln of its probability, a its alternatives (the same
 * three). Half a character of UTF-8 stands as its bytes, <E2>, which b holds then. */
function tokenOf(entry) {
    const token = choiceOf(entry);
    if (entry.top_logprobs) token.a = entry.top_logprobs.map(choiceOf);
    return token;
}

function choiceOf(entry) {
    const choice = {t: textOf(entry), i: entry.id, p: round(entry.logprob)};
    if (entry.bytes && choice.t !== entry.token) choice.b = entry.bytes;
    return choice;
}

/* What tokens say together: characters that were cut between them are whole. */
export function joined(tokens) {
    if (!tokens.some((t) => t.b)) return tokens.map((t) => t.t).join('');
    const bytes = tokens.flatMap((t) => t.b || Array.from(new TextEncoder().encode(t.t)));
    return new TextDecoder('utf-8', {ignoreBOM: true}).decode(new Uint8Array(bytes));
}

const round = (p) => (p === null || p === undefined || !isFinite(p) ? -100 : Math.round(p * 1e4) / 1e4);

function textOf(entry) {
    if (!entry.bytes) return entry.token;
    const bytes = new Uint8Array(entry.bytes);
    try {
        return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
    } catch {
        return Array.from(bytes, (b) => (b < 128 ? String.fromCharCode(b) : `<${b.toString(16).toUpperCase()}>`)).join('');
    }
}

/* What the page calls a setting, if the API calls it otherwise; else the same. */
export function sampling(settings) {
    const out = {};
    for (const [name, value] of Object.entries(settings))
        if (name !== 'system' && name !== 'alternatives' && value !== null && value !== '') out[name] = value;
    if (typeof out.stop === 'string') out.stop = out.stop.split('\n').filter((s) => s !== '');
    return out;
}

export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] & 0x7fffffff;

/* Asks for an answer to messages ([{role, content}]). prefix: {text, ids} with which the answer
 * is to begin. on.text(text) and on.tokens(list) are called as they come. Returns
 * {reason, usage, model}; throws what request throws. */
export async function answer({model, messages, settings, seed, prefix, signal, on}) {
    const body = {model: model || undefined, messages, stream: true, stream_options: {include_usage: true}, ...sampling(settings), seed};
    const alternatives = settings.alternatives === undefined ? 5 : settings.alternatives;
    if (alternatives > 0) Object.assign(body, {logprobs: true, top_logprobs: alternatives});
    if (prefix) {
        body.messages = [...messages, {role: 'assistant', content: prefix.text}];
        body.continue_final_message = true;
        if (prefix.ids) body.prefill_ids = prefix.ids;
    }
    if (settings.system) body.messages = [{role: 'system', content: settings.system}, ...body.messages];
    const response = await request('POST', 'v1/chat/completions', body, {signal});
    const result = {reason: null, usage: null, model};
    for await (const data of events(response)) {
        if (data === '[DONE]') break;
        const event = JSON.parse(data);
        if (event.error) throw new Problem(500, event.error.message || String(event.error), event);
        if (event.model) result.model = event.model;
        if (event.usage) result.usage = event.usage;
        if (event.timings) result.timings = event.timings;
        const choice = event.choices && event.choices[0];
        if (!choice) continue;
        if (choice.logprobs && choice.logprobs.content) on.tokens(choice.logprobs.content.map(tokenOf));
        if (choice.delta && choice.delta.content) on.text(choice.delta.content);
        if (choice.finish_reason) result.reason = choice.finish_reason;
    }
    if (result.reason === null) throw new Problem(0, BROKEN);
    return result;
}
