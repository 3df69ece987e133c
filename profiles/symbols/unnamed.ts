/** Addresses that have no name, by file and reason: what the user is told of them, and what helps. */

import { formatCount } from '../format_units.ts';

/** Why addresses of a file have no name. */
export type Reason = 'missing' | 'deleted' | 'different' | 'stripped' | 'nowhere';

const FACTS: Readonly<Record<Reason, string>> = {
  missing: 'not on this machine',
  deleted: 'deleted while it ran',
  different: 'not the file that was mapped',
  stripped: 'no symbol there',
  nowhere: 'no code of a file',
};
const REMEDIES: Readonly<Record<Reason, string>> = {
  missing: '--lib_prefix DIR says where the files are now',
  deleted: '--lib_prefix DIR says where the files are now',
  different: '--lib_prefix DIR says where the files are now',
  stripped: 'debug symbols, installed or in --debug-dir DIR, give names',
  nowhere: '',
};

/** Addresses without a name. */
export class Unnamed {
  /** By file and reason. */
  readonly #groups = new Map<string, { readonly path: string; readonly reason: Reason; readonly addresses: Set<bigint | number> }>();

  /** Counts an address of the file at `path`, once. */
  add(path: string, reason: Reason, address: bigint): void {
    const key = `${reason} ${path}`;
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { path, reason, addresses: new Set() }));
    // Many dumps have the same ones, and a number is found sooner.
    group.addresses.add(address <= Number.MAX_SAFE_INTEGER ? Number(address) : address);
  }

  /** What the user is told, in one line or none. */
  notes(): string[] {
    const groups = [...this.#groups.values()].sort((a, b) => b.addresses.size - a.addresses.size);
    const total = groups.reduce((sum, { addresses }) => sum + addresses.size, 0);
    if (total === 0) return [];
    const shown = groups.slice(0, 3).map(({ path, reason, addresses }) => `${formatCount(addresses.size)} in ${path} (${FACTS[reason]})`);
    if (groups.length > 3) shown.push(`${groups.length - 3} more ${groups.length === 4 ? 'file' : 'files'}`);
    const remedies = [...new Set(groups.map(({ reason }) => REMEDIES[reason]))].filter((remedy) => remedy !== '');
    const remedy = remedies.length === 0 ? '' : `; ${remedies.join('; ')}`;
    return [`${formatCount(total)} ${total === 1 ? 'address has' : 'addresses have'} no name: ${shown.join(', ')}${remedy}`];
  }
}
