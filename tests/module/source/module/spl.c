#include <linux/module.h>
#include <linux/slab.h>

void *spl_kmem_alloc(size_t size);
void *spl_kmem_alloc(size_t size)
{
	return kmalloc(size, GFP_KERNEL);
}
EXPORT_SYMBOL(spl_kmem_alloc);
MODULE_DESCRIPTION("stands in for the module of OpenZFS");
MODULE_LICENSE("GPL");
MODULE_VERSION("2.4.4-1");
