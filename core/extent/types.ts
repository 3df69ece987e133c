/** Indices of the extent layer and of the huge page allocator. */

declare const unit: unique symbol;

/** Row of an EdataTable; 0 for none. */
export type Extent = number & { readonly [unit]: 'extent' };
/** What stands for a pointer to a live object (region.ts). */
export type Region = number & { readonly [unit]: 'region' };
/** NULL: what a failed call gives. */
export const NULL_REGION = -1 as Region;
/** Row of an HpdataTable; 0 for none. */
export type PageSlab = number & { readonly [unit]: 'page slab' };
