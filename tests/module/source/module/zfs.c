#include <linux/module.h>
#include <linux/slab.h>

void *spl_kmem_alloc(size_t size);
static int __init zfs_init(void)
{
	void *memory = spl_kmem_alloc(16);

	pr_info("built %s for %s\n", __FILE__, KBUILD_MODNAME);
	kfree(memory);
	return 0;
}
static void __exit zfs_exit(void)
{
}
module_init(zfs_init);
module_exit(zfs_exit);
MODULE_DESCRIPTION("stands in for the module of OpenZFS");
MODULE_LICENSE("GPL");
MODULE_VERSION("2.4.4-1");
