with german as (
    select ps_partkey, ps_supplycost * ps_availqty as value
    from {{ source('tpch', 'partsupp') }}
    join {{ source('tpch', 'supplier') }} on ps_suppkey = s_suppkey
    join {{ source('tpch', 'nation') }} on s_nationkey = n_nationkey
    where n_name = 'GERMANY'
)
select ps_partkey, sum(value) as value
from german
group by ps_partkey
having sum(value) > (select sum(value) * 0.0001 from german)
