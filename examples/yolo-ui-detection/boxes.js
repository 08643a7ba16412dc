/* Reads the boxes of the interface elements that one sees in the viewport: ({minBox}) => {boxes, frames}.
 *
 * Looks decide, not tags. What is decided here, once:
 * - button         button, input button, role=button, a.btn or a padded link with its own surface (fill, border or
 *                  shadow), a label styled as one, a segment of a segmented control. Without surface it is a link (text) or an icon (glyph).
 * - text_input     text-like input, textarea, file input, an editable region; the framed wrapper where the input
 *                  has no frame itself, nothing where there is no frame at all.
 * - checkbox, radio_button   the native box, or what a style sheet paints in its place (label, sibling or ::before).
 * - dropdown       select (closed), role=combobox, and a button with a visible caret that opens a list.
 * - slider         range input, role=slider: track and handle together.
 * - toggle         a switch: role=switch, or a checkbox painted as a track with a knob.
 * - link           text that leads somewhere; the box hugs the text and its icons, one box a line where it wraps. Not: a
 *                  whole card that can be clicked, a number on an icon (a badge).
 * - image          a loaded picture, also a childless element with a background picture.
 * - icon           a glyph of an icon font, an svg, an svg file or a background picture up to MAX_ICON px; the outermost one only.
 * Elements of different classes nest (an icon inside a button is both); of one class they do not, the outer one stays.
 * A box is clipped to viewport, scrolling ancestors and whatever lies across one of its edges; it is dropped where less than
 * half is left, where its centre or more than two of nine points belong to something else, or under minBox px.
 * Not labelled: multi-line select lists, colour inputs, things painted on a canvas, the content of frames.
 */
({minBox}) => {
  const MAX_ICON = 64;
  const ICON_FONT = /icon|awesome|nucleo|glyph|feather|summernote|remix|bootstrap-icons|\bfa\b/i;
  const TEXT_TYPES = /^(text|search|email|password|number|tel|url|date|time|datetime-local|month|week|file)$/;
  const MENU = 'nav, [role=navigation], .nav, .navbar, .sidebar, .list-group, .dropdown-menu, [role=menu], .breadcrumb';
  const SLIDER = '.irs, .noUi-target, .slider-horizontal, .slider-vertical, .rangeslider, .ui-slider';
  const SWITCH = '.form-switch, .custom-switch, .switch, .toggle, .toggle-switch, .custom-toggle, .bootstrap-switch, .switchery';
  const styles = new Map(), fades = new Map();

  const css = el => styles.get(el) || styles.set(el, getComputedStyle(el)).get(el);
  const rect = r => ({x0: r.left, y0: r.top, x1: r.right, y1: r.bottom});
  const width = b => b.x1 - b.x0, height = b => b.y1 - b.y0;
  const area = b => max(0, width(b)) * max(0, height(b));
  const corners = (x0, y0, x1, y1) => ({x0, y0, x1, y1});
  const {min, max} = Math;
  const cut = (a, b) => corners(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1));
  const join = rects => rects.reduce((a, b) => corners(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1)));
  const bounds = el => rect(el.getBoundingClientRect());
  const text = el => (el.innerText || '').trim();
  const parent = el => el.parentElement || (el.getRootNode().host ?? null);
  const alpha = color => {
    const m = /[,/]\s*([\d.]+%?)\)$/.exec(/^rgba|\//.test(color) ? color : '');
    return color === 'transparent' ? 0 : m ? parseFloat(m[1]) / (m[1].endsWith('%') ? 100 : 1) : 1;
  };

  const everything = function* (root) {
    for (const el of root.querySelectorAll('*')) { yield el; if (el.shadowRoot) yield* everything(el.shadowRoot); }
  };

  /* ---- what is painted ---- */
  const opacity = el => {
    if (!el) return 1;
    if (!fades.has(el)) fades.set(el, parseFloat(css(el).opacity) * opacity(parent(el)));
    return fades.get(el);
  };
  const shown = el => el.checkVisibility({checkVisibilityCSS: true}) && opacity(el) > 0.1;
  const bordered = s => ['Top', 'Right', 'Bottom', 'Left'].filter(side =>
    parseFloat(s[`border${side}Width`]) > 0 && s[`border${side}Style`] !== 'none' && alpha(s[`border${side}Color`]) > 0.08).length;
  const behind = el => {
    for (let p = parent(el); p; p = parent(p)) if (alpha(css(p).backgroundColor) > 0.5) return css(p).backgroundColor;
    return 'rgb(255, 255, 255)';
  };
  const filled = (el, s) => (alpha(s.backgroundColor) > 0.04 && s.backgroundColor !== behind(el)) || /gradient/.test(s.backgroundImage);
  const surface = el => { const s = css(el); return filled(el, s) || bordered(s) >= 2 || (s.boxShadow !== 'none' && !/rgba\(0, 0, 0, 0\)/.test(s.boxShadow)); };
  const paints = el => /^(IMG|SVG|CANVAS|VIDEO|IFRAME|INPUT|SELECT|TEXTAREA|PATH|RECT)$/i.test(el.tagName) ||
    alpha(css(el).backgroundColor) > 0.3 || css(el).backgroundImage !== 'none';

  /* ---- boxes of parts ---- */
  const pseudo = (el, which) => {            /* the viewport box of an absolutely placed ::before, ::after, or a leading one */
    const s = getComputedStyle(el, which), px = name => parseFloat(s[name]) || 0;
    if (s.content === 'none' || s.display === 'none' || !px('width') || !px('height')) return null;
    const rim = (a, b) => s.boxSizing === 'border-box' ? 0 : px('padding' + a) + px('padding' + b) + px(`border${a}Width`) + px(`border${b}Width`);
    const w = px('width') + rim('Left', 'Right'), h = px('height') + rim('Top', 'Bottom');
    let home = el;
    if (s.position === 'absolute') while (home && css(home).position === 'static' && css(home).transform === 'none') home = parent(home);
    const b = bounds(home || document.documentElement), hs = css(home || document.documentElement);
    const inset = (side, edge) => s.position === 'absolute' ? parseFloat(hs[`border${edge}Width`]) + px(side) : parseFloat(hs['padding' + edge]);
    const x = b.x0 + inset('left', 'Left') + px('marginLeft'), y = b.y0 + inset('top', 'Top') + px('marginTop');
    const m = s.transform === 'none' ? new DOMMatrix() : new DOMMatrix(s.transform);
    return {x0: x + m.e, y0: y + m.f, x1: x + m.e + w, y1: y + m.f + h};
  };
  const painted = (el, which) => { const s = getComputedStyle(el, which); return bordered(s) > 0 || alpha(s.backgroundColor) > 0.04 || s.backgroundImage !== 'none'; };
  const inkRects = el => {                   /* text lines, glyphs and pictures inside an element */
    const found = [], walker = document.createTreeWalker(el, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let n = walker.currentNode; n; n = walker.nextNode()) {
      const holder = n.nodeType === 3 ? n.parentElement : n;
      if (!shown(holder) || clippedAway(holder)) continue;
      if (n.nodeType === 3) {
        if (!n.data.trim()) continue;
        const range = document.createRange();
        range.setStart(n, n.data.search(/\S/)); range.setEnd(n, n.data.trimEnd().length);
        found.push(...[...range.getClientRects()].map(rect));
      } else if (/^(img|svg|canvas)$/i.test(n.tagName) || (n !== el && surface(n)) || isGlyph(n)) found.push(bounds(n));
    }
    return found.filter(b => area(b) > 4);
  };
  const ink = el => { const found = inkRects(el); return found.length ? join(found) : null; };

  /* ---- icons ---- */
  const privateUse = c => [...(c || '').replace(/["']/g, '')].some(ch => { const p = ch.codePointAt(0); return (p >= 0xe000 && p <= 0xf8ff) || p >= 0xf0000; });
  const isGlyph = el => {
    if (!/^(I|SPAN|EM|B)$/.test(el.tagName) || el.children.length) return false;
    if (/material-(icons|symbols)/.test(el.className)) return true;
    if (privateUse(el.textContent)) return true;
    if (el.textContent.trim()) return false;
    return ['::before', '::after'].some(which => {
      const s = getComputedStyle(el, which), content = s.content.replace(/["']/g, '');
      return s.display !== 'none' && !/^(none|normal|counter|url|)$/.test(content) && [...content].length <= 2 && (privateUse(content) || ICON_FONT.test(s.fontFamily));
    });
  };
  const iconBox = el => {
    const b = bounds(el), size = parseFloat(css(el).fontSize);
    if (!isGlyph(el) || surface(el)) return b;
    const over = (height(b) - 1.1 * size) / 2;                    /* line height around the glyph */
    const wide = max(0, (width(b) - 1.4 * size) / 2);        /* fixed-width and padded icons */
    return over > 0 || wide > 0 ? {x0: b.x0 + wide, y0: b.y0 + max(0, over), x1: b.x1 - wide, y1: b.y1 - max(0, over)} : b;
  };
  const iconic = el => /^svg$/i.test(el.tagName) || isGlyph(el) || (el.tagName === 'IMG' && /\.svg([?#]|$)|^data:image\/svg/.test(el.currentSrc));
  const asIcon = el => {
    const b = iconBox(el);
    return max(width(b), height(b)) <= MAX_ICON && width(b) < 2.5 * height(b) && height(b) < 2.5 * width(b) ? {label: 'icon', box: b} : null;
  };
  const isClose = el => /(^|[\s-])(btn-)?close(\s|$)/.test(el.className) && text(el).length <= 1;

  /* ---- controls ---- */
  const tickBox = input => {                 /* native, or what is painted in its place; null where a button takes it */
    const own = bounds(input);
    if ([...(input.labels || [])].some(l => /\bbtn\b/.test(l.className))) return null;
    const wrapper = input.closest('[class*=icheckbox_], [class*=iradio_], .bootstrap-switch');
    if (wrapper) return bounds(wrapper);
    const next = input.nextElementSibling;
    if (next && next.matches('.switchery')) return bounds(next);
    if (shown(input) && css(input).clipPath === 'none' && min(width(own), height(own)) >= minBox) return own;
    const near = [next, ...(input.labels || []), parent(input)].filter((el, i, all) => el && shown(el) && all.indexOf(el) === i);
    const fits = b => b && min(width(b), height(b)) >= minBox && width(b) <= 90 && height(b) <= 48;
    const drawn = el => shown(el) && surface(el) && !text(el) && el !== input && fits(bounds(el));
    if (next && drawn(next)) return bounds(next);
    for (const el of near) for (const which of ['::before', '::after']) if (painted(el, which) && fits(pseudo(el, which))) return pseudo(el, which);
    const inner = near.flatMap(el => [...el.querySelectorAll('*')]).find(drawn);
    return inner ? bounds(inner) : null;
  };
  const isSwitch = (el, b) => el.getAttribute('role') === 'switch' || (el.closest(SWITCH) && b && width(b) > 1.3 * height(b));
  const fieldBox = el => {                   /* the frame that one sees around a field; null for a field without any */
    const own = bounds(el), up = parent(el), s = css(el);
    if (el.type === 'file' && opacity(el) <= 0.1) {
      const label = [...el.labels].find(l => area(cut(bounds(l), own)) > 0.5 * area(own));
      return label ? bounds(label) : null;
    }
    const frame = up && surface(up) && up.querySelectorAll('input, select, textarea, button').length === 1 && bounds(up);
    const slack = surface(el) ? 4 : 0.8 * height(own) + 12;
    if (frame && height(frame) - height(own) <= slack) return frame;
    return surface(el) || el.type === 'file' || el.isContentEditable || bordered(s) ? join([own, ...open(el, s, own)]) : null;
  };
  const open = (el, s, own) => {             /* neighbours that close the frame where the field has no border of its own */
    const sides = [[el.previousElementSibling, s.borderLeftWidth], [el.nextElementSibling, s.borderRightWidth]];
    return sides.filter(([n, border]) => n && parseFloat(border) === 0 && parseFloat(s.borderTopWidth) > 0 && surface(n) && !n.matches('button, .btn') &&
      !n.querySelector('button, .btn, input') && Math.abs(height(bounds(n)) - height(own)) < 3).map(([n]) => bounds(n));
  };
  const caret = el => ['::after', '::before'].some(which => {
    const s = getComputedStyle(el, which);
    return s.content !== 'none' && s.display !== 'none' && (parseFloat(s.borderTopWidth) >= 3 || privateUse(s.content) ||
      (s.content === '""' && parseFloat(s.width) <= 14 && ['Top', 'Bottom'].some(side => parseFloat(s[`border${side}Width`]) > 0)));
  });
  const opensList = el => el.matches('.dropdown-toggle, [aria-haspopup=listbox], [aria-haspopup=menu], [aria-haspopup=true]') && caret(el);

  const pressable = el => {                  /* button-like things and links, by their looks */
    const inkBox = ink(el), words = text(el), own = bounds(el), tabLike = el.matches('[role=tab], .list-group-item, .dropdown-item');
    if (isClose(el)) return {label: 'icon', box: inkBox && !surface(el) ? inkBox : content(el)};
    const anchor = el.tagName === 'A' && !el.matches('[role=button], .page-link');
    const named = /\bbtn\b|button/i.test(el.className);
    const padded = parseFloat(css(el).paddingLeft) >= 4 && height(own) <= 80 && width(own) <= max(320, innerWidth * 0.6);
    const button = (surface(el) || joined(el)) && !tabLike && height(own) <= 140 && (!anchor || named || (padded && !el.closest(MENU)));
    if (button && (words || inkBox)) return {label: opensList(el) ? 'dropdown' : 'button', box: own};
    if (!/[^\d\s+•·]/.test(words) && inkBox && words.length <= 3 || !words || !inkBox) return null;  /* its icon or picture is labelled by itself */
    if (css(el).display === 'inline') return {label: 'link', boxes: lines(el)};
    const rows = lines(el).length;
    if (rows > 3 || (rows > 1 && el.querySelector('div, p, small, strong, h1, h2, h3, h4, h5, h6'))) return null;   /* a card */
    return {label: 'link', box: surface(el) && tabLike ? own : inkBox};
  };
  const lines = el => {                      /* what a wrapped inline link shows on each line */
    const rows = [];
    for (const r of inkRects(el)) {
      const row = rows.find(o => min(o.y1, r.y1) - max(o.y0, r.y0) > 0.3 * min(height(o), height(r)));
      row ? Object.assign(row, join([row, r])) : rows.push({...r});
    }
    return rows;
  };

  const content = el => {
    const b = bounds(el), px = side => parseFloat(css(el)['padding' + side]);
    return corners(b.x0 + px('Left'), b.y0 + px('Top'), b.x1 - px('Right'), b.y1 - px('Bottom'));
  };
  const joined = el => {                     /* one of a row of buttons in a common frame, or the bar of an accordion */
    const up = parent(el), row = [...up.children];
    if (el.tagName !== 'BUTTON' && el.tagName !== 'SUMMARY') return false;
    const bar = el.matches('summary, [aria-expanded], [data-bs-toggle=collapse], .accordion-button') && !el.closest(MENU);
    if (bar && text(el) && height(bounds(el)) >= 32 && width(bounds(el)) > 0.9 * width(bounds(up))) return true;
    return row.length > 1 && row.every(c => c.tagName === 'BUTTON') && (surface(up) || row.some(surface)) && height(bounds(up)) <= 60;
  };

  const isPress = el => el.matches('button, [role=button], [role=link], a[href], a.btn, label.btn, summary') || (el.tagName === 'A' && css(el).cursor === 'pointer' && /\bbtn\b|link/.test(el.className));
  const segment = el => {                    /* an invisible radio behind a word of a segmented control */
    const label = el.closest('label');
    return label && opacity(el) <= 0.1 && text(label) && surface(parent(label)) && height(bounds(label)) <= 60 ? {label: 'button', box: bounds(label)} : null;
  };
  const asInput = el => {
    const type = el.type, role = el.getAttribute('role');
    if (role === 'combobox') return {label: 'dropdown', box: fieldBox(el)};
    if (type === 'checkbox' || type === 'radio') {
      const box = tickBox(el);
      if (!box) return segment(el);
      return {label: isSwitch(el, box) ? 'toggle' : type === 'radio' ? 'radio_button' : 'checkbox', box};
    }
    if (type === 'range') return {label: 'slider', box: atLeast(bounds(el), 16)};
    if (/^(submit|button|reset|image)$/.test(type)) return {label: 'button', box: bounds(el)};
    return TEXT_TYPES.test(type) && !el.closest('[role=combobox], .irs') ? {label: 'text_input', box: fieldBox(el)} : null;
  };
  const atLeast = (b, h) => {                /* a thin track has a thumb */
    const more = max(0, h - height(b)) / 2;
    return {...b, y0: b.y0 - more, y1: b.y1 + more};
  };
  const sliderBox = el => {
    const whole = el.closest(SLIDER) || el;
    const parts = [...whole.querySelectorAll('.irs-line, .irs-handle, .irs-slider, .noUi-handle, .slider-track, .slider-handle')]
      .filter(part => shown(part) && area(bounds(part)) > 0);
    return parts.length ? join(parts.map(bounds)) : bounds(whole);
  };
  const editable = el => el.isContentEditable && !(el.parentElement && el.parentElement.isContentEditable);
  const hasPicture = el => /url\(/.test(css(el).backgroundImage) && !el.children.length && !text(el) && min(width(bounds(el)), height(bounds(el))) >= 48;

  const smallPicture = el => /url\(/.test(css(el).backgroundImage) && /^(SPAN|I|DIV)$/.test(el.tagName) && !el.children.length && !text(el) &&
    max(width(bounds(el)), height(bounds(el))) <= MAX_ICON;

  const classify = el => {
    const role = el.getAttribute('role');
    if (el.tagName === 'INPUT') return asInput(el);
    if (el.tagName === 'SELECT') return el.multiple || el.size > 1 ? null : {label: 'dropdown', box: bounds(el)};
    if (el.tagName === 'TEXTAREA' || editable(el)) return {label: 'text_input', box: fieldBox(el)};
    if (role === 'combobox') return {label: 'dropdown', box: bounds(el)};
    if (role === 'switch' || ((role === 'checkbox' || role === 'radio') && !el.querySelector('input')))
      return {label: role === 'switch' ? 'toggle' : role === 'radio' ? 'radio_button' : 'checkbox', box: bounds(el)};
    if (role === 'slider' || el.matches('.irs')) return {label: 'slider', box: sliderBox(el)};
    if (iconic(el)) { const icon = asIcon(el); if (icon || el.tagName !== 'IMG') return icon; }
    if (el.tagName === 'IMG') return el.complete && el.naturalWidth > 1 ? {label: 'image', box: bounds(el)} : null;
    if (isPress(el)) return pressable(el);
    if (smallPicture(el)) return asIcon(el);
    return hasPicture(el) ? {label: 'image', box: bounds(el)} : null;
  };

  /* ---- what is left to see ---- */
  const clippedAway = el => {                /* text for screen readers */
    for (let p = el; p; p = parent(p))
      if (/inset\((50|100)%/.test(css(p).clipPath) || /rect\([01]px,? [01]px,? [01]px,? [01]px\)/.test(css(p).clip)) return true;
    return false;
  };
  const clip = (el, box) => {
    let seen = cut(box, {x0: 0, y0: 0, x1: innerWidth, y1: innerHeight}), position = css(el).position;
    for (let p = parent(el); p && p !== document.documentElement; p = parent(p)) {
      const s = css(p), placed = s.position !== 'static' || s.transform !== 'none';
      if (position === 'fixed' && s.transform === 'none') continue;
      if (position === 'absolute' && !placed) continue;
      if (p !== document.body && (s.overflowX !== 'visible' || s.overflowY !== 'visible')) {
        const b = bounds(p), far = 1e9, openX = s.overflowX === 'visible', openY = s.overflowY === 'visible';
        seen = cut(seen, corners(openX ? -far : b.x0, openY ? -far : b.y0, openX ? far : b.x1, openY ? far : b.y1));
      }
      position = s.position;
    }
    return seen;
  };
  const stack = (x, y) => document.elementsFromPoint(x, y).flatMap(el => el.shadowRoot ? [...el.shadowRoot.elementsFromPoint(x, y).filter(e => e !== el), el] : [el]);
  const blocker = (el, friends, x, y) => {   /* the painted element over (x, y) that is not part of `el`, or null */
    for (const hit of stack(x, y)) {
      if (friends.some(f => f.contains(hit)) || hit.contains(el)) return null;
      if (shown(hit) && paints(hit)) return hit;
    }
    return null;
  };
  const whole = (hit, el) => { let top = hit; for (let p = parent(hit); p && !p.contains(el); p = parent(p)) if (paints(p)) top = p; return top; };
  const points = b => [0.12, 0.5, 0.88].flatMap(v => [0.12, 0.5, 0.88].map(u => [b.x0 + u * width(b), b.y0 + v * height(b)]));
  const uncover = (el, box) => {             /* cuts off strips under sticky bars; null where too much is covered */
    const friends = [el, el.closest(SLIDER), ...(el.labels || [])].filter(f => f);
    if (el.matches('input, textarea') && area(box) > 1.05 * area(bounds(el))) friends.push(parent(el));
    if (el.matches('input') && opacity(el) <= 0.1) friends.push(parent(el));
    for (let round = 0; round < 3; round++) {
      const hits = points(box).map(([x, y]) => blocker(el, friends, x, y));
      const hit = hits.find(h => h);
      if (!hit) return box;
      const b = bounds(whole(hit, el)), next = {...box};
      if (b.x0 <= box.x0 + 1 && b.x1 >= box.x1 - 1) { if (b.y0 <= box.y0 + 1) next.y0 = b.y1; else if (b.y1 >= box.y1 - 1) next.y1 = b.y0; }
      else if (b.y0 <= box.y0 + 1 && b.y1 >= box.y1 - 1) { if (b.x0 <= box.x0 + 1) next.x0 = b.x1; else if (b.x1 >= box.x1 - 1) next.x1 = b.x0; }
      if (area(next) === area(box) || area(next) <= 0) return hits[4] || hits.filter(h => h).length > 2 ? null : box;
      box = next;
    }
    return box;
  };

  const boxes = [], taken = [];
  for (const el of everything(document)) {
    if (!el.checkVisibility() || el.closest('noscript, template')) continue;
    const found = classify(el);
    if (!found || !(found.box || found.boxes)) continue;
    const proxy = /^(checkbox|radio|file)$/.test(el.type) && el.tagName === 'INPUT';
    if (!proxy && (!shown(el) || clippedAway(el))) continue;
    if (proxy && opacity(parent(el)) <= 0.1) continue;
    if (taken.some(([label, other]) => label === found.label && other !== el && other.contains(el))) continue;
    const key = found.label === 'slider' ? el.closest(SLIDER) || el : el;
    if (taken.some(([label, other]) => label === 'slider' && other === key)) continue;
    taken.push([found.label, key]);
    for (const box of found.boxes || [found.box]) {
      const clipped = clip(el, box), seen = area(clipped) > 0 && uncover(el, clipped);
      if (seen && area(seen) >= 0.5 * area(box) && min(width(seen), height(seen)) >= minBox) boxes.push({label: found.label, ...seen});
    }
  }
  const frames = [...document.querySelectorAll('iframe')].filter(shown).map(f => area(clip(f, bounds(f)))).reduce((a, b) => a + max(0, b), 0);
  return {boxes, frames: frames / (innerWidth * innerHeight)};
}
