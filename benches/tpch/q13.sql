with counted as (
    select c_custkey, count(o_orderkey) as c_count
    from {{ source('tpch', 'customer') }}
    left join {{ source('tpch', 'orders') }} on c_custkey = o_custkey and o_comment not like '%special%requests%'
    group by c_custkey
)
select c_count, count(*) as custdist
from counted
group by c_count
