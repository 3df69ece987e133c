/** Bad input: one line for the user. `place` is file:line or file:offset, `fact` what is wrong there. The command line adds the remedy. */
export class InputError extends Error {
  readonly place: string;
  readonly fact: string;
  readonly hint: string | undefined;
  constructor(place: string, fact: string, hint?: string) {
    super(`${place}: ${fact}`);
    this.name = 'InputError';
    this.place = place;
    this.fact = fact;
    this.hint = hint;
  }
}
