// Highlights a field's octets and its row together, and makes scrolling blocks reachable by keyboard.
for (const figure of document.querySelectorAll('figure.bytes')) {
  const partner = element => element.tagName === 'A'
    ? figure.querySelector(`[id="${element.getAttribute('href').slice(1)}"]`)
    : figure.querySelector(`a[href="#${element.id}"]`);
  for (const element of figure.querySelectorAll('.hex a, tr[id]')) {
    const set = on => [element, partner(element)].forEach(e => e && e.classList.toggle('on', on));
    element.addEventListener('mouseenter', () => set(true));
    element.addEventListener('mouseleave', () => set(false));
  }
}
for (const block of document.querySelectorAll('pre > code')) block.tabIndex = 0;
