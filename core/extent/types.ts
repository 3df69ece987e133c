/** Indices of the extent layer and of the huge page allocator. */

declare const unit: unique symbol;

/** Row of an EdataTable; 0 for none. */
export type Extent = number & { readonly [unit]: 'extent' };
/** Row of an HpdataTable; 0 for none. */
export type PageSlab = number & { readonly [unit]: 'page slab' };
