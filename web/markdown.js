/* markdown.js - Markdown to elements: the part of CommonMark and GitHub's tables and lists that
 * models write. Nothing becomes markup: every text is a text node, links are http, https or
 * mailto only, and images are links, so that reading an answer asks no other machine for
 * anything. Time is linear in the text, nesting is bounded. */
import {copy, h} from './dom.js';

const DEEPEST = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)|$)/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/* ---- blocks ---- */

function startsBlock(line) {
    return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || /^ {0,3}>/.test(line) || ITEM.test(line);
}

const indentOf = (line) => line.length - line.trimStart().length;

/* {kind, …, from, to}: lines from..to of the text. */
function parse(lines) {
    const out = [];
    for (let i = 0; i < lines.length;) {
        if (lines[i].trim() === '') { i++; continue; }
        const block = fence(lines, i) || heading(lines, i) || rule(lines, i) || quote(lines, i) || list(lines, i) ||
            indented(lines, i) || table(lines, i) || paragraph(lines, i);
        block.from = i;
        out.push(block);
        i = block.to;
    }
    return out;
}

function fence(lines, i) {
    const m = FENCE.exec(lines[i]);
    if (!m) return null;
    const indent = indentOf(lines[i]), sign = m[1][0];
    let to = i + 1;
    for (; to < lines.length; to++) {
        const line = lines[to].trim();
        if (line.length >= m[1].length && line === sign.repeat(line.length)) break;
    }
    const code = lines.slice(i + 1, to).map((l) => l.slice(Math.min(indent, indentOf(l))));
    return {kind: 'code', language: m[2].trim().split(/\s/)[0], code: code.join('\n'), to: Math.min(to + 1, lines.length)};
}

function heading(lines, i) {
    const m = HEADING.exec(lines[i]);
    if (!m) return null;
    let text = lines[i].trim().slice(m[1].length).trim();
    let end = text.length;
    while (end > 0 && text[end - 1] === '#') end--;
    if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trim();
    return {kind: 'heading', level: m[1].length, text, to: i + 1};
}

function rule(lines, i) {
    return RULE.test(lines[i]) ? {kind: 'rule', to: i + 1} : null;
}

function quote(lines, i) {
    if (!/^ {0,3}>/.test(lines[i])) return null;
    let to = i;
    const inner = [];
    for (; to < lines.length && /^ {0,3}>/.test(lines[to]); to++) inner.push(lines[to].replace(/^ {0,3}> ?/, ''));
    return {kind: 'quote', lines: inner, to};
}

function list(lines, i) {
    const first = ITEM.exec(lines[i]);
    if (!first) return null;
    const ordered = first[2].length > 1, sign = first[2].slice(-1);
    const items = [];
    let to = i, loose = false;
    while (to < lines.length) {
        const m = ITEM.exec(lines[to]);
        if (!m || m[2].slice(-1) !== sign || (m[2].length > 1) !== ordered || RULE.test(lines[to])) break;
        const width = m[1].length + m[2].length + Math.min(m[3] ? m[3].length : 1, 4);
        const inner = [lines[to].slice(width)];
        let blank = false;
        for (to++; to < lines.length; to++) {
            const line = lines[to];
            if (line.trim() === '') { blank = true; inner.push(''); continue; }
            const indent = indentOf(line);
            if (indent >= width) inner.push(line.slice(width));
            else if (indent >= 2 && ITEM.test(line.trimStart())) inner.push(line.trimStart()); /* a shy sub-list */
            else if (!blank && !startsBlock(line)) inner.push(line.trimStart());
            else break;
            if (blank) loose = loose || !ITEM.test(line);
            blank = false;
        }
        while (inner.length && inner[inner.length - 1] === '') inner.pop();
        items.push(inner);
    }
    return {kind: 'list', ordered, start: parseInt(first[2], 10), items, loose, to};
}

function indented(lines, i) {
    if (!/^(?: {4}|\t)/.test(lines[i])) return null;
    let to = i;
    while (to < lines.length && (/^(?: {4}|\t)/.test(lines[to]) || lines[to].trim() === '')) to++;
    while (lines[to - 1].trim() === '') to--;
    return {kind: 'code', language: '', code: lines.slice(i, to).map((l) => l.replace(/^(?: {4}|\t)/, '')).join('\n'), to};
}

/* Cells of a row; a bar in code or behind a backslash parts nothing. */
function cells(line) {
    const out = [];
    let cell = '', code = false;
    const text = line.trim().replace(/^\|/, '');
    for (let i = 0; i < text.length; i++) {
        if (text[i] === '\\' && text[i + 1] === '|') { cell += '|'; i++; continue; }
        if (text[i] === '`') code = !code;
        if (text[i] === '|' && !code) { out.push(cell.trim()); cell = ''; } else cell += text[i];
    }
    if (cell.trim() !== '') out.push(cell.trim());
    return out;
}

function table(lines, i) {
    if (!lines[i].includes('|') || i + 1 >= lines.length || !DELIMITERS.test(lines[i + 1])) return null;
    const head = cells(lines[i]), marks = cells(lines[i + 1]);
    if (head.length !== marks.length) return null;
    const align = marks.map((m) => (m.endsWith(':') ? (m.startsWith(':') ? 'center' : 'right') : ''));
    const rows = [];
    let to = i + 2;
    for (; to < lines.length && lines[to].trim() !== '' && lines[to].includes('|'); to++) rows.push(cells(lines[to]));
    return {kind: 'table', head, align, rows, to};
}

function paragraph(lines, i) {
    let to = i + 1;
    while (to < lines.length && lines[to].trim() !== '' && !startsBlock(lines[to]) &&
        !(to + 1 < lines.length && lines[to].includes('|') && DELIMITERS.test(lines[to + 1]))) to++;
    return {kind: 'paragraph', text: lines.slice(i, to).map((l) => l.trimStart()).join('\n'), to};
}

function codeBlock(b) {
    const code = h('code', {}, b.code);
    const button = h('button', {type: 'button', class: 'small', onclick: () => copy(b.code, button)}, 'Copy');
    return h('div', {class: 'code', dir: 'ltr'},
        h('div', {class: 'code-bar'}, h('span', {}, b.language || 'text'), button),
        h('pre', {tabindex: '0', role: 'region', 'aria-label': 'Code' + (b.language ? ', ' + b.language : '')}, code));
}

function listItem(lines, loose, depth) {
    const item = h('li');
    const task = /^\[([ xX])\][ \t]/.exec(lines[0] || '');
    const blocks = parse(task ? [lines[0].slice(4), ...lines.slice(1)] : lines);
    if (task) item.append(task[1] === ' ' ? '☐ ' : '☑ ');
    for (const b of blocks) {
        if (b.kind === 'paragraph' && !loose) inline(item, b.text, depth + 1);
        else item.append(element(b, depth + 1));
    }
    return item;
}

function element(b, depth) {
    if (depth > DEEPEST) return h('p', {}, b.text || (b.lines || b.items || []).flat().join('\n'));
    switch (b.kind) {
    case 'code': return codeBlock(b);
    case 'rule': return h('hr');
    case 'heading': { /* the page has h1, each message h2 */
        const e = h('h' + Math.min(6, b.level + 2));
        inline(e, b.text, depth);
        return e;
    }
    case 'quote': return h('blockquote', {}, parse(b.lines).map((c) => element(c, depth + 1)));
    case 'list': return h(b.ordered ? 'ol' : 'ul', b.ordered && b.start !== 1 ? {start: b.start} : {},
        b.items.map((lines) => listItem(lines, b.loose, depth)));
    case 'table': {
        const cell = (tag, text, column) => {
            const e = h(tag, {class: b.align[column] || undefined, scope: tag === 'th' ? 'col' : undefined});
            inline(e, text, depth);
            return e;
        };
        return h('div', {class: 'table', tabindex: '0', role: 'region', 'aria-label': 'Table'}, h('table', {},
            h('thead', {}, h('tr', {}, b.head.map((t, c) => cell('th', t, c)))),
            h('tbody', {}, b.rows.map((r) => h('tr', {}, b.head.map((_, c) => cell('td', r[c] || '', c)))))));
    }
    default: {
        const e = h('p');
        inline(e, b.text, depth);
        return e;
    }
    }
}

/* ---- within a line ---- */

const WORD = /[\p{L}\p{N}]/u;

/* For each "[" the place of its "]". */
function brackets(text) {
    const match = new Map(), open = [];
    for (let i = 0; i < text.length; i++) {
        if (text[i] === '\\') i++;
        else if (text[i] === '[') open.push(i);
        else if (text[i] === ']' && open.length) match.set(open.pop(), i);
    }
    return match;
}

/* Where a span of code that begins at i ends (its closing ticks), or -1. none: lengths of ticks
 * known to be missing from here on. */
function codeEnd(text, i, n, none) {
    if (none.has(n)) return -1;
    for (let j = i + n; j < text.length;) {
        if (text[j] !== '`') { j++; continue; }
        let m = 1;
        while (text[j + m] === '`') m++;
        if (m === n) return j;
        j += m;
    }
    none.add(n);
    return -1;
}

/* Where the emphasis of this delimiter ends, or -1. */
function emphasisEnd(text, from, sign) {
    for (let j = from; j < text.length; j++) {
        if (text[j] === '\\') { j++; continue; }
        if (text[j] !== sign[0]) continue;
        let n = 1;
        while (text[j + n] === sign[0]) n++;
        const inside = j > from && !/\s/.test(text[j - 1]);
        const outside = sign[0] !== '_' || !WORD.test(text[j + n] || ' ');
        if (inside && outside && (n === sign.length || n === 3)) return n === 3 ? j + 3 - sign.length : j;
        j += n - 1;
    }
    return -1;
}

function safeLink(url) {
    return /^(?:https?:\/\/|mailto:)[^\s<>"]+$/i.test(url) ? url : null;
}

const linkTo = (url) => h('a', {href: url, target: '_blank', rel: 'noopener noreferrer nofollow'});

/* [text](address "title") at i: what it is and where it ends. */
function linkAt(text, i, match) {
    const close = match.get(i);
    if (close === undefined || text[close + 1] !== '(') return null;
    let depth = 1, j = close + 2;
    for (; j < text.length && depth > 0 && j - close < 4000 && text[j] !== '\n'; j++) {
        if (text[j] === '(') depth++;
        if (text[j] === ')') depth--;
    }
    if (depth > 0) return null;
    const target = text.slice(close + 2, j - 1).trim().split(/\s/)[0].replace(/^<(.*)>$/, '$1');
    return {label: text.slice(i + 1, close), url: safeLink(target), target, end: j};
}

const TAGS = {'**': 'strong', '__': 'strong', '*': 'em', '_': 'em', '~~': 'del'};
const MARK = /[\\`*_~[!<\nhH]/g;

function inline(parent, text, depth) {
    if (depth > DEEPEST) { parent.append(text); return; }
    const match = brackets(text), noCode = new Set(), noEnd = new Set();
    let plain = 0, i = 0;
    const flush = (to) => { if (to > plain) parent.append(text.slice(plain, to)); };
    const put = (node, end) => { flush(i); if (node) parent.append(node); plain = i = end; };
    while (i < text.length) {
        MARK.lastIndex = i;
        const m = MARK.exec(text);
        if (!m) break;
        i = m.index;
        const c = text[i];
        if (c === '\\' && /[!-/:-@[-`{-~]/.test(text[i + 1] || '')) {
            flush(i);
            plain = i + 1;
            i += 2;
        } else if (c === '\n') {
            put(h('br'), i + 1);
        } else if (c === '`') {
            let n = 1;
            while (text[i + n] === '`') n++;
            const end = codeEnd(text, i, n, noCode);
            if (end < 0) { i += n; continue; }
            const code = text.slice(i + n, end).replace(/\n/g, ' ');
            put(h('code', {}, /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code), end + n);
        } else if (c === '[' || (c === '!' && text[i + 1] === '[')) {
            const found = linkAt(text, c === '!' ? i + 1 : i, match);
            if (!found) { i++; continue; }
            const node = found.url ? linkTo(found.url) : h('span');
            if (c === '!') node.append(`[image: ${found.label || found.target}]`);
            else inline(node, found.label, depth + 1);
            put(node, found.end);
        } else if (c === '<' || c === 'h' || c === 'H') {
            const url = c === '<' ? /^<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/i.exec(text.slice(i, i + 2020))
                : (i === 0 || !WORD.test(text[i - 1])) && /^https?:\/\/[^\s<>()"'`]{1,2000}/i.exec(text.slice(i, i + 2020));
            if (!url) { i++; continue; }
            const address = c === '<' ? url[1] : url[0].replace(/[.,;:!?*_~]+$/, '');
            const node = linkTo(address);
            node.append(address);
            put(node, i + (c === '<' ? url[0].length : address.length));
        } else if (!emphasis(c)) {
            i++;
        }
    }
    flush(text.length);

    /* An emphasis that begins at i; else false, with i before the last of its signs. */
    function emphasis(c) {
        if (c !== '*' && c !== '_' && c !== '~') return false;
        let n = 1;
        while (text[i + n] === c) n++;
        const sign = c.repeat(c === '~' ? 2 : n >= 2 ? 2 : 1);
        const opens = !/\s/.test(text[i + n] || ' ') && n <= 3 && n >= sign.length &&
            (c !== '_' || i === 0 || !WORD.test(text[i - 1]));
        const end = opens && !noEnd.has(sign) ? emphasisEnd(text, i + sign.length, sign) : -1;
        if (end < 0) {
            if (opens) noEnd.add(sign);
            i += n - 1;
            return false;
        }
        const node = h(TAGS[sign]);
        inline(node, text.slice(i + sign.length, end), depth + 1);
        put(node, end + sign.length);
        return true;
    }
}

/* ---- what others call ---- */

/* Shows a text in container. Of a text that grew, only the blocks that changed are made anew. */
export function show(container, source) {
    const lines = source.replace(/\r\n?/g, '\n').split('\n');
    const blocks = parse(lines);
    const raw = blocks.map((b) => lines.slice(b.from, b.to).join('\n'));
    const old = container.glassBlocks || [];
    let same = 0;
    while (same < raw.length && raw[same] === old[same]) same++;
    while (container.childNodes.length > same) container.lastChild.remove();
    for (const b of blocks.slice(same)) container.append(element(b, 0));
    container.glassBlocks = raw;
}
