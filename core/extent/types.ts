/** Indices of the extent layer. */

declare const unit: unique symbol;

/** Row of an EdataTable; 0 for none. */
export type Extent = number & { readonly [unit]: 'extent' };
