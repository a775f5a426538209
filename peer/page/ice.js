// The way to the peer: which servers help to find it.

let servers = null; // the promise of them

/**
 * What a connection of these pages is made of: the servers that this program was given. With `?relay=1` in the page's
 * address relays alone are used, so that the other side learns no address of this machine.
 */
export async function configuration() {
  servers ??= fetch('/ice-servers').then(response => response.json()).catch(() => ({}));
  const relays = new URLSearchParams(location.search).get('relay') === '1';
  return { ...await servers, iceTransportPolicy: relays ? 'relay' : 'all' };
}
