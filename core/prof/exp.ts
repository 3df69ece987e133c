/**
 * The exponential function to the last bit, as glibc's is but for hardly any argument (sysdeps/ieee754/dbl-64/e_exp.c). V8's is the neighbouring double
 * for some, and near 0 it takes no account of the square: large sampling rates multiply that until it shows in a dump.
 * Invariant: a number is a sum `high + low` of doubles, of which `high` is the double next to it.
 * Differs from glibc's: a series in twice the precision for a table and a short polynomial. It is slow, and asked once for each size class and each line of a dump.
 */

/** ln 2: its first 33 bits, so that products with small integers are exact, and what follows them. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** The series is done when its terms are less than 2^-110 for arguments up to ln 2 / 2. */
const TERMS = 22;
/** 2^27 + 1 cuts a double in halves whose products are exact (Veltkamp). */
const HALVES = 134217729;

/** What `a * b` lacks to be exact (Dekker), for a product that does not overflow. */
function productError(a: number, b: number, product: number): number {
  const aCut = HALVES * a;
  const aHigh = aCut - (aCut - a);
  const aLow = a - aHigh;
  const bCut = HALVES * b;
  const bHigh = bCut - (bCut - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** e to the power of x, rounded to the nearest double; for results that are normal doubles. */
export function exp(x: number): number {
  if (!(Math.abs(x) < 700)) return Math.exp(x);
  const twos = Math.round(x / (LN2_HIGH + LN2_LOW));
  // x - twos * ln 2
  const first = x - twos * LN2_HIGH;
  const second = twos * LN2_LOW;
  const high = first - second;
  const low = first - high - second - productError(twos, LN2_LOW, second);
  // 1 + r / 1 * (1 + r / 2 * (1 + r / 3 * (...)))
  let sum = 1;
  let sumLow = 0;
  for (let n = TERMS; n >= 1; n--) {
    const product = high * sum;
    const productLow = productError(high, sum, product) + high * sumLow + low * sum;
    const quotient = product / n;
    const back = quotient * n;
    const quotientLow = (product - back - productError(quotient, n, back) + productLow) / n;
    const next = 1 + quotient;
    const nextLow = 1 - next + quotient + quotientLow;
    sum = next + nextLow;
    sumLow = next - sum + nextLow;
  }
  return sum * 2 ** twos;
}
