/* feedback.js - what a person thinks of an answer: a thumb, a correction, a choice of two.
 *
 * Feedback is kept with the conversation. Only what was given with an author's name and an
 * explicit consent, which is asked for each time, is ever exported. */
import {call} from './api.js';
import {announce, ask, h, newId, recall, remember} from './dom.js';
import {flush} from './conversation.js';
import {answer, randomSeed} from './answer.js';
import {show} from './markdown.js';
import {serverInfo} from './settings.js';

const LICENCES = ['CC0-1.0', 'CC-BY-4.0', 'CC-BY-SA-4.0'];

/* Name, consent and licence. Consent is never ticked beforehand. */
function consentFields() {
    const consent = serverInfo().consent || {text: 'I wrote or chose this myself, and it may be published with the conversation up to here, under this licence and with this name.', licences: LICENCES};
    const author = h('input', {name: 'author', value: recall('author', ''), maxlength: '200', autocomplete: 'name'});
    const box = h('input', {type: 'checkbox', name: 'consent', onchange: () => { author.required = box.checked; }});
    return [h('fieldset', {}, h('legend', {}, 'Publish it as preference data?'),
        h('label', {}, 'Your name', author),
        h('label', {}, 'Licence', h('select', {name: 'licence'}, consent.licences.map((l) => h('option', {selected: l === recall('licence')}, l)))),
        h('label', {class: 'check'}, box, consent.text),
        h('p', {class: 'note'}, 'Without this tick it stays on this server, and goes when the conversation is deleted.'))];
}

function consentOf(values) {
    remember('author', values.author || null);
    remember('licence', values.licence);
    return {author: values.author || '', consent: values.consent === 'on', licence: values.licence};
}

async function send(conversation, m, feedback) {
    await flush(); /* the messages first */
    const body = {id: newId(), conversation: conversation.id, message: m.id, ...feedback};
    const kept = await call('POST', 'glass/feedback', body);
    m.feedback = (m.feedback || []).filter((f) => f.kind !== 'rating' || feedback.kind !== 'rating').concat([{id: kept.id, kind: feedback.kind, rating: feedback.rating, consent: feedback.consent}]);
    announce('Feedback kept');
}

/* A thumb; the same one again takes it back. */
export async function rate(conversation, m, rating) {
    const old = (m.feedback || []).find((f) => f.kind === 'rating');
    if (old && old.rating === rating) {
        await call('DELETE', `glass/feedback/${old.id}`);
        m.feedback = m.feedback.filter((f) => f !== old);
        announce('Feedback taken back');
        return;
    }
    const values = await ask({title: rating > 0 ? 'A good answer' : 'A bad answer', yes: 'Keep', id: 'feedback-dialog', fields: [
        h('label', {}, 'What makes it so? (may stay empty)', h('textarea', {name: 'comment', rows: 3, maxlength: '4000'})), ...consentFields()]});
    if (values) await send(conversation, m, {kind: 'rating', rating, comment: values.comment, ...consentOf(values)});
}

/* A better answer in a person's words: a new version beside the old one. */
export async function correct(conversation, m) {
    const values = await ask({title: 'Correct the answer', yes: 'Keep', id: 'feedback-dialog', fields: [
        h('label', {}, 'As it should be', h('textarea', {name: 'text', rows: 12, value: m.content, required: true})),
        h('label', {}, 'Why? (may stay empty)', h('textarea', {name: 'comment', rows: 2, maxlength: '4000'})), ...consentFields()]});
    if (!values || values.text === m.content) return null;
    const better = conversation.add({parent: m.parent, role: 'assistant', content: values.text, model: m.model, corrects: m.id});
    await send(conversation, m, {kind: 'correction', chosen: better.id, comment: values.comment, ...consentOf(values)});
    return better;
}

/* Two new answers with two seeds, side by side; the one that is chosen is shown afterwards. */
export function compare(conversation, m, messages) {
    return new Promise((resolve) => {
        const stop = new AbortController(), sides = [];
        const columns = ['A', 'B'].map((letter, i) => {
            const text = h('div', {class: 'body', tabindex: '0', role: 'region', 'aria-label': `Answer ${letter}`});
            sides.push({letter, text, content: '', tokens: [], seed: randomSeed(), done: false, i});
            return h('section', {}, h('h3', {}, `Answer ${letter}`), text);
        });
        const choice = (label, value) => h('button', {type: 'submit', class: 'primary', value, disabled: true}, label);
        const buttons = [choice('A is better', '0'), choice('B is better', '1')];
        const status = h('p', {class: 'note', role: 'status'}, 'Both are being written …');
        const form = h('form', {method: 'dialog'}, h('div', {class: 'scroll'}, h('h2', {id: 'compare-title'}, 'Which answer is better?'), h('div', {class: 'columns'}, columns), status,
            h('label', {}, 'Why? (may stay empty)', h('textarea', {name: 'comment', rows: 2, maxlength: '4000'})), ...consentFields()),
            h('div', {class: 'buttons'}, h('button', {type: 'button', onclick: () => dialog.close('')}, 'Cancel'), buttons));
        const dialog = h('dialog', {class: 'large', id: 'compare-dialog', 'aria-labelledby': 'compare-title'}, form);
        const before = document.activeElement;
        const write = async (side) => {
            const begun = performance.now();
            side.result = await answer({model: conversation.model, messages, settings: conversation.settings, seed: side.seed, signal: stop.signal, on: {
                text: (t) => { side.content += t; show(side.text, side.content); },
                tokens: (t) => side.tokens.push(...t),
            }});
            side.seconds = (performance.now() - begun) / 1000;
        };
        Promise.all(sides.map(write)).then(() => {
            for (const b of buttons) b.disabled = false;
            status.textContent = sides[0].content === sides[1].content ? 'Both answers are the same.' : 'Both are done.';
        }, (error) => { if (error.name !== 'AbortError') status.textContent = error.message; });
        dialog.addEventListener('close', async () => {
            stop.abort();
            const values = Object.fromEntries(new FormData(form)), won = dialog.returnValue;
            dialog.remove();
            if (before && before.isConnected) before.focus();
            if (won !== '0' && won !== '1') { resolve(null); return; }
            const [chosen, rejected] = [sides[Number(won)], sides[1 - Number(won)]].map((s) => conversation.add({
                parent: m.parent, role: 'assistant', content: s.content, tokens: s.tokens, seed: s.seed, model: s.result.model, usage: s.result.usage,
                seconds: s.seconds, settings: conversation.settings, state: s.result.reason === 'length' ? 'length' : 'done'}));
            if (chosen.state !== 'done') conversation.save(chosen);
            if (rejected.state !== 'done') conversation.save(rejected);
            conversation.show(chosen.id);
            try {
                await send(conversation, chosen, {kind: 'comparison', chosen: chosen.id, rejected: rejected.id, comment: values.comment, ...consentOf(values)});
                resolve({chosen});
            } catch (error) { resolve({chosen, error}); }
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}
